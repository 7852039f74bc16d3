"""Interpreter discovery prefers the newest standard CPython."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from engine.errors import ConvergeError
from states.interpreter import candidates, discovery


class VersionInfo(NamedTuple):
    """A stand-in for `sys.version_info`."""

    major: int
    minor: int
    micro: int
    releaselevel: str
    serial: int


INTERPRETERS = {
    "python3.11": VersionInfo(3, 11, 9, "final", 0),
    "python3.12": VersionInfo(3, 12, 1, "final", 0),
    "python3.13": VersionInfo(3, 13, 0, "candidate", 2),
    "python3.14t": VersionInfo(3, 14, 1, "final", 0),
    "pypy3": VersionInfo(3, 15, 0, "final", 0),
}


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty directory, the only one that discovery searches."""

    def query(path: str) -> SimpleNamespace:
        name = os.path.basename(path)
        return SimpleNamespace(
            version_info=INTERPRETERS[name],
            implementation="PyPy" if name.startswith("pypy") else "CPython",
            free_threaded=name.endswith("t"),
            name=name,
        )

    monkeypatch.setattr(candidates, "STANDARD_DIRS", ())
    monkeypatch.setattr(discovery, "_query", query)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    return tmp_path


def find(directory: Path, names: tuple[str, ...], request: str) -> str:
    for name in names:
        (directory / name).touch(0o755)
    info = discovery._search(request)
    assert info is not None
    return str(vars(info)["name"])


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (tuple(INTERPRETERS), "python3.12"),
        (("python3.13", "python3.14t", "pypy3"), "python3.13"),
        (("python3.14t",), "python3.14t"),
    ],
)
def test_search_prefers_the_newest_standard_interpreter(
    directory: Path, names: tuple[str, ...], name: str
) -> None:
    assert find(directory, names, ">=3.8") == name


def test_search_prefers_cpython_to_pypy(directory: Path) -> None:
    """Debian installs `pypy3` next to `python3.11`."""
    assert find(directory, ("pypy3", "python3.11"), "3") == "python3.11"


def test_search_returns_pypy_if_nothing_else_matches(directory: Path) -> None:
    assert find(directory, ("pypy3",), "3") == "pypy3"


@pytest.mark.parametrize("request_", ["3.99", "/nowhere/python3.99"])
def test_missing_interpreter_error_lists_those_that_exist(directory: Path, request_: str) -> None:
    for name in ("python3.11", "python3.12"):
        (directory / name).touch(0o755)

    with pytest.raises(ConvergeError) as caught:
        discovery.find(request_)

    hint = caught.value.hint or ""
    assert f"found 3.11.9 (`{directory}/python3.11`), 3.12.1 (`{directory}/python3.12`)" in hint
