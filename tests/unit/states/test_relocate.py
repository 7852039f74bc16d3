"""Copied scripts and RECORDs match the path of their new generation."""

from __future__ import annotations

import base64
import hashlib

import pytest

from states.venv.build.reuse.relocate import SCRIPT_HEAD, relocate_script, update_record

OLD = "/srv/.web/generations/000001-aaaaaaaa"
NEW = "/srv/.web/generations/000002-bbbbbbbb"

SCRIPTS = {
    "interpreter in the first line": "#!{root}/bin/python\nimport web\n",
    "interpreter with an option": "#!{root}/bin/python -I\nimport web\n",
    "interpreter in a shell line": "#!/bin/sh\n'''exec' '{root}/bin/python' \"$0\" \"$@\"\n' '''\n",
    "only one line": "#!{root}/bin/python",
    "another interpreter": "#!/usr/bin/env python3\nimport web\n",
    "empty": "",
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_script_runs_the_interpreter_of_its_new_generation(script: str) -> None:
    old, new = (script.replace("{root}", root).encode() for root in (OLD, NEW))
    assert relocate_script(old, OLD, NEW) == new


def test_data_behind_the_head_of_a_script_stays() -> None:
    """A script may contain an archive, whose bytes must not change."""
    padding = b"#" * SCRIPT_HEAD
    script = b"#!/bin/sh\n" + padding + OLD.encode()
    assert relocate_script(script, OLD, NEW) == script


@pytest.mark.parametrize(("length", "fits"), [(126, True), (127, False), (60, True)])
def test_relocated_script_starts_as_an_installed_one(length: int, fits: bool) -> None:
    """uv writes a `#!` line of at most 126 bytes, without its newline, and no space."""
    target = "/" + "x" * (length - len("#!//bin/python"))
    script = f"#!{OLD}/bin/python\n".encode()
    if fits:
        assert len(relocate_script(script, OLD, target).splitlines()[0]) == length
        target = f"{target[:-1]} "
    with pytest.raises(ValueError, match="in another way"):
        relocate_script(script, OLD, target)


def test_shell_line_isnt_relocated_to_a_short_path() -> None:
    long = "/" + "x" * 130
    script = f"#!/bin/sh\n'''exec' '{long}/bin/python' \"$0\" \"$@\"\n' '''\n".encode()
    assert relocate_script(script, long, f"{long}y") == script.replace(b"x/", b"xy/")
    with pytest.raises(ValueError, match="in another way"):
        relocate_script(script, long, NEW)


def test_script_without_the_path_is_copied_to_any_path() -> None:
    script = b"#!/usr/bin/env python3\n"
    assert relocate_script(script, OLD, "/" + "x" * 200) == script


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def test_record_lists_relocated_scripts() -> None:
    content = b"#!/new/bin/python\n"
    record = (
        "web/__init__.py,sha256=abc,10\n"
        "../../../bin/web,sha256=old,99\n"
        "../../../bin/web-admin,sha256=other,98\n"
        "web-1.0.dist-info/RECORD,,\n"
    )
    path = "lib/python3.11/site-packages/web-1.0.dist-info/RECORD"
    updated = update_record(path, record.encode(), {"bin/web": content}).decode()
    expected = f"../../../bin/web,sha256={_digest(content)},{len(content)}"
    assert updated == record.replace("../../../bin/web,sha256=old,99", expected)


def test_record_with_quoted_path_is_updated() -> None:
    content = b"#!/new/bin/python\n"
    record = b'"../../../bin/web",sha256=old,99\n'
    path = "lib/python3.11/site-packages/web-1.0.dist-info/RECORD"
    updated = update_record(path, record, {"bin/web": content})
    assert updated == f"../../../bin/web,sha256={_digest(content)},{len(content)}\n".encode()


def test_record_with_crlf_keeps_other_rows() -> None:
    record = b"web.py,sha256=abc,10\r\n"
    path = "lib/python3.11/site-packages/web-1.0.dist-info/RECORD"
    assert update_record(path, record, {"bin/web": b""}) == record
