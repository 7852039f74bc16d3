"""Credentials: where URLs come from, and which texts expose a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import redaction
from engine.errors import ConvergeError, NoInput
from states.installer.credentials import (
    credentials_error,
    require_netrc,
    resolve_index_url,
    strip_credentials,
)

STRIPPED = {
    "https://user:secret@example.org/simple": "https://example.org/simple",
    "https://user:p@ss@example.org/simple": "https://example.org/simple",
    "git+https://token:x@example.org/a@v1": "git+https://example.org/a@v1",
    "https://example.org/a@b": "https://example.org/a@b",
    "https://example.org/simple": "https://example.org/simple",
    "/srv/wheels": "/srv/wheels",
}


@pytest.mark.parametrize(("url", "stripped"), STRIPPED.items())
def test_without_strips_user_and_password(url: str, stripped: str) -> None:
    """The rest of the URL stays."""
    assert strip_credentials(url) == stripped


@pytest.mark.parametrize("text", [url for url in STRIPPED if "secret" in url or "p@ss" in url])
def test_exposed_reports_password_without_showing_it(text: str) -> None:
    """The message contains the host."""
    message = credentials_error(text)
    assert "example.org" in message
    assert "secret" not in message
    assert "p@ss" not in message


@pytest.mark.parametrize("text", ["https://example.org/a@b", "web==1.0", "", "/srv/a:b@c"])
def test_exposed_accepts_text_without_password(text: str) -> None:
    """The result is empty."""
    assert credentials_error(text) == ""


def test_revealed_reads_environment_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain URL, also of a file, is its own value."""
    url = "https://user:secret@example.org/simple"
    monkeypatch.setenv("INDEX", url)
    file = tmp_path / "index"
    file.write_bytes(b"\xef\xbb\xbf" + url.encode() + b"\n")
    assert (
        resolve_index_url("env:INDEX")
        == resolve_index_url(f"file:{file}")
        == resolve_index_url(url)
        == url
    )
    assert resolve_index_url("file:///srv/simple") == "file:///srv/simple"


BAD_FILES = {
    "empty": b"",
    "two URLs": b"https://user:secret@a https://b\n",
    "not UTF-8": b"https://secret\xff\n",
    "NUL": b"https://secret\0\n",
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES)
def test_revealed_rejects_file_without_one_url(tmp_path: Path, content: bytes) -> None:
    """The message never contains the content of the file."""
    file = tmp_path / "index"
    file.write_bytes(content)
    with pytest.raises(ConvergeError) as caught:
        resolve_index_url(f"file:{file}")
    assert "secret" not in f"{caught.value.message}{caught.value.hint}"
    assert str(file) in caught.value.message


@pytest.mark.parametrize("setting", [None, ""])
def test_revealed_rejects_unset_variable(
    monkeypatch: pytest.MonkeyPatch, setting: str | None
) -> None:
    """An empty variable counts as unset."""
    monkeypatch.delenv("INDEX", raising=False)
    if setting is not None:
        monkeypatch.setenv("INDEX", setting)
    with pytest.raises(ConvergeError, match="INDEX"):
        resolve_index_url("env:INDEX")


def test_missing_files_are_missing_input(tmp_path: Path) -> None:
    """The exit code differs from that of wrong content."""
    file = tmp_path / "missing"
    with pytest.raises(NoInput, match=str(file)):
        resolve_index_url(f"file:{file}")
    with pytest.raises(NoInput, match=str(file)):
        require_netrc(str(file))


def test_require_netrc_returns_readable_path(tmp_path: Path) -> None:
    """Another failure to open it is an OSError."""
    file = tmp_path / "netrc"
    file.touch()
    assert require_netrc(str(file)) == str(file)
    with pytest.raises(IsADirectoryError):
        require_netrc(str(tmp_path))


def test_resolved_index_url_registers_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDEX", "https://ann:correct-horse@example.org/simple")
    try:
        resolve_index_url("env:INDEX")
        assert redaction.redact("401 for correct-horse") == "401 for ****"
    finally:
        redaction.reset()


@pytest.mark.parametrize("text", ["glpat-0123456789abcdef", "token0123456789 other0123456789"])
def test_text_that_isnt_a_url_is_never_shown(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare token is a frequent mistake."""
    monkeypatch.setenv("INDEX", text)
    (tmp_path / "index").write_text(text)
    for reference in ("env:INDEX", f"file:{tmp_path}/index"):
        with pytest.raises(ConvergeError) as caught:
            resolve_index_url(reference)
        assert text.split()[0] not in f"{caught.value.message} {caught.value.hint}"
        assert text.split()[0] not in redaction.redact(f"output of a tool: {text}")
    redaction.reset()
