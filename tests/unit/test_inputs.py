"""Digests of inputs, and errors in inputs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.declaration.inputs import InputLog, TableInputs, file_digest, is_unchanged

FUNCTIONS = {"content": file_digest}


@pytest.mark.parametrize("changed", ["one", "missing", "digested"])
def test_input_log_is_unchanged_until_an_input_changes(tmp_path: Path, changed: str) -> None:
    (tmp_path / "one").write_text("1")
    (tmp_path / "digested").write_text("2")
    log = InputLog(FUNCTIONS)
    assert log.read(str(tmp_path / "one")) == b"1"
    assert log.read(str(tmp_path / "missing")) is None
    log.digest(str(tmp_path / "digested"), "content")
    assert is_unchanged(log.files, log.digests, FUNCTIONS)
    (tmp_path / changed).write_text("3")
    assert not is_unchanged(log.files, log.digests, FUNCTIONS)


def test_named_pipe_is_not_read_as_an_input(tmp_path: Path) -> None:
    log = InputLog(FUNCTIONS)
    os.mkfifo(tmp_path / "pipe")
    assert log.read(str(tmp_path / "pipe")) is None
    (tmp_path / "file").write_text("x")
    log.read(str(tmp_path / "file"))
    (tmp_path / "file").unlink()
    os.mkfifo(tmp_path / "file")
    assert not is_unchanged(log.files, log.digests, FUNCTIONS)


def test_input_changed_during_loading_is_read_once(tmp_path: Path) -> None:
    """Otherwise the old content would be cached under the digest of the new content."""
    log, file = InputLog(FUNCTIONS), tmp_path / "file"
    for text in ("old", "new"):
        file.write_text(text)
        assert log.read(str(file)) == b"old"
        assert log.digest(str(file), "content") == log.digests["content"][str(file)]
        expected = text == "old"
        assert is_unchanged(log.files, {}, FUNCTIONS) is expected
        assert is_unchanged({}, log.digests, FUNCTIONS) is expected


def test_input_file_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9")
    inputs = TableInputs("/etc/x/a.toml", "/etc/x", ("widget", "a"), {}, InputLog())
    assert inputs.read(str(tmp_path / "file"), ("text",)) == "café"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"one\ncaf\xe9\n", "line 2 isn't UTF-8"),
        (b"one\n\ntw\0o", "line 3 contains a NUL character"),
    ],
)
def test_invalid_input_text_is_reported_at_its_key(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    log, file = InputLog(), tmp_path / "file"
    file.write_bytes(content)
    inputs = TableInputs("/etc/x/a.toml", "/etc/x", ("widget", "a"), {}, log)
    assert inputs.read(str(file), ("text",)) == ""
    (diagnostic,) = log.diagnostics
    assert (diagnostic.key, diagnostic.message) == (("widget", "a", "text"), f"`{file}` {reason}")


@pytest.mark.parametrize("name", ["loop", "x" * 300, "x\0y"])
def test_unreadable_input_is_reported_at_its_key(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    log = InputLog(FUNCTIONS)
    inputs = TableInputs("/etc/x/a.toml", "/etc/x", ("widget", "a"), {}, log)
    path = f"{tmp_path}/{name}"
    assert inputs.digest(path, "content", ("tags", 0)) == ""
    (diagnostic,) = log.diagnostics
    assert diagnostic.key == ("widget", "a", "tags", 0)
    assert diagnostic.message.startswith(f"`{path}`")
    if "\0" not in name:
        assert inputs.read(path, ("text",)) == ""
        assert [diagnostic.key[2:] for diagnostic in log.diagnostics] == [("tags", 0), ("text",)]


def test_io_error_of_an_input_is_raised() -> None:
    inputs = TableInputs("/etc/x/a.toml", "/etc/x", ("widget", "a"), {}, InputLog())
    with pytest.raises(OSError, match="Input/output error"):
        inputs.read("/proc/self/mem", ("text",))


def test_input_path_is_relative_to_the_declaration() -> None:
    inputs = TableInputs("/etc/x/a.toml", "/etc/x", ("widget", "a"), {}, InputLog())
    assert [inputs.path(path, ()) for path in ("b", "../b", "/b/", "./b/../c")] == [
        "/etc/x/b", "/etc/b", "/b", "/etc/x/c",
    ]  # fmt: skip


def test_error_of_an_inherited_key_is_at_its_origin() -> None:
    log = InputLog(FUNCTIONS)
    origins = {"tags": ("/etc/x/defaults.toml", ("defaults",))}
    inputs = TableInputs("/etc/x/a.toml", "/etc/x", ("widget", "a"), origins, log)
    inputs.error(("tags", 0), "invalid tag")
    inputs.error(("text",), "missing text", "add a text")
    inputs.error((), "invalid widget")
    assert [
        (diagnostic.file, diagnostic.key, diagnostic.hint) for diagnostic in log.diagnostics
    ] == [
        ("/etc/x/defaults.toml", ("defaults", "tags", 0), ""),
        ("/etc/x/a.toml", ("widget", "a", "text"), "add a text"),
        ("/etc/x/a.toml", ("widget", "a"), ""),
    ]
