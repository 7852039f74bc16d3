"""Wheel tags are those of the interpreter of the venv, not of the one that runs converge."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.tags import sys_tags

from engine.frozen import replace
from states.interpreter import discovery, tags
from states.interpreter.discovery import Python

STAND_IN = """#!/bin/sh
# Arguments: -I -S -B -c PROGRAM
exec {python} "$1" "$2" "$3" "$4" "$(cat {patch})
$5"
"""
PATCHES = {
    "PyPy": (
        "import sys, sysconfig\n"
        "sys.implementation.name = 'pypy'\n"
        "sysconfig.get_config_vars()['EXT_SUFFIX'] = '.pypy311-pp73-x86_64-linux-gnu.so'\n",
        f"pp{sys.version_info[0]}{sys.version_info[1]}-pypy311_pp73-linux_",
    ),
    "free-threaded": (
        "import sys, sysconfig\n"
        "sys.version_info = (3, 14, 0, 'final', 0)\n"
        "sysconfig.get_config_vars()['Py_GIL_DISABLED'] = 1\n",
        "cp314-cp314t-linux_",
    ),
}


@pytest.fixture(scope="module")
def python() -> Python:
    """Return the interpreter that runs the tests."""
    return discovery.find(str(Path(sys.executable).resolve()))


def stand_in(directory: Path, python: Python, patch: str) -> Python:
    """Return an interpreter that differs from a real one in what a patch changes."""
    executable = directory / "python"
    (directory / "patch").write_text(patch)
    quoted = {"python": shlex.quote(python.executable), "patch": shlex.quote(f"{directory}/patch")}
    executable.write_text(STAND_IN.format(**quoted))
    executable.chmod(0o755)
    return replace(python, executable=str(executable))


def test_tags_of_the_running_interpreter(python: Python) -> None:
    assert list(tags.accepted_tags(python)) == list(sys_tags())


@pytest.mark.parametrize("name", ["PyPy", "free-threaded"])
def test_tags_are_those_of_the_target(tmp_path: Path, python: Python, name: str) -> None:
    patch, first = PATCHES[name]
    accepted = [str(tag) for tag in tags.accepted_tags(stand_in(tmp_path, python, patch))]
    assert accepted[0].startswith(first)
    assert "py3-none-any" in accepted
    assert not any(tag.startswith("cp311-cp311-") for tag in accepted)


def test_interpreter_that_is_too_old_gets_computed_tags(
    tmp_path: Path, python: Python, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`packaging` doesn't support Python 3.8 anymore."""
    info: Any = SimpleNamespace(
        implementation="CPython", version_info=SimpleNamespace(major=3, minor=8)
    )
    monkeypatch.setattr(tags, "information", lambda _: info)
    old = stand_in(tmp_path, python, "raise SystemExit(1)\n")
    accepted = [str(tag) for tag in tags.accepted_tags(old)]
    assert accepted[0].startswith("cp38-cp38-")
    assert "py3-none-any" in accepted
