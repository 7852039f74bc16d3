"""A declared lockfile: whether it is valid, and fits the declaration."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.declaration.inputs import InputLog, TableInputs
from states.venv.resolve.lockfile import read
from states.venv.resolve.requirements import declared_lines

HEAD = 'lock-version = "1.0"\ncreated-by = "test"\n'
WEB = """
[[packages]]
name = "web"
version = "1.5"
[[packages.wheels]]
url = "https://example.org/web-1.5-py3-none-any.whl"
hashes = {sha256 = "aa"}
"""
DIRECTORY = '[[packages]]\nname = "web"\n[packages.directory]\npath = "web"\n'


def _read(
    tmp_path: Path,
    lock: str | None,
    requirements: tuple[str, ...] = (),
    overrides: tuple[str, ...] = (),
) -> tuple[str | None, list[tuple[tuple[str | int, ...], str]]]:
    """Return the text of the lock, and key and message of each diagnostic."""
    path = tmp_path / "pylock.toml"
    if lock is not None:
        path.write_text(lock)
    log = InputLog()
    source = TableInputs(str(tmp_path / "site.toml"), str(tmp_path), ("venv", "web"), {}, log)
    result = read(str(path), declared_lines(requirements), declared_lines(overrides), source)
    return result.text if result else None, [
        (diagnostic.key, diagnostic.message) for diagnostic in log.diagnostics
    ]


def test_valid_lock_is_returned_as_it_is(tmp_path: Path) -> None:
    """The text is that of the file."""
    assert _read(tmp_path, HEAD + WEB, ("web>=1",)) == (HEAD + WEB, [])


INVALID = {
    "no TOML": "web==1.0\n",
    "no lock version": 'created-by = "test"\n',
    "future version": 'lock-version = "9.0"\ncreated-by = "test"\npackages = []\n',
    "wrong type": HEAD + "packages = 1\n",
    "nested too deeply": HEAD + "x = " + "[" * 500 + "]" * 500,
    "package without name": HEAD + '[[packages]]\nversion = "1"\n',
}


@pytest.mark.parametrize("lock", INVALID.values(), ids=INVALID)
def test_invalid_lock_is_reported_at_its_key(tmp_path: Path, lock: str) -> None:
    """Nothing is returned."""
    text, ((key, message),) = _read(tmp_path, lock, ("web",))
    assert (text, key) == (None, ("venv", "web", "lock"))
    assert str(tmp_path / "pylock.toml") in message


def test_missing_lock_is_reported_at_its_key(tmp_path: Path) -> None:
    """Nothing is returned."""
    text, ((key, message),) = _read(tmp_path, None)
    assert (text, key) == (None, ("venv", "web", "lock"))
    assert str(tmp_path / "pylock.toml") in message


SATISFIED = {
    "web": True,
    "WEB>=1,<2": True,
    "web==1.5": True,
    "web>=2": False,
    "api": False,
    "api; python_version > '3'": True,
    "web>=1.5rc1": True,
}


@pytest.mark.parametrize(("requirement", "satisfied"), SATISFIED.items())
def test_requirement_outside_the_lock_is_reported(
    tmp_path: Path, requirement: str, satisfied: bool
) -> None:
    """A requirement with a marker is accepted: no interpreter is selected yet."""
    messages = _read(tmp_path, HEAD + WEB, (requirement,))[1]
    assert not messages if satisfied else requirement.split(";")[0] in messages[0][1]


def test_overridden_requirement_may_differ_from_the_lock(tmp_path: Path) -> None:
    """The override wins over the requirement."""
    assert _read(tmp_path, HEAD + WEB, ("web>=2",), ("web==1.5",))[1] == []


def test_locked_directory_without_version_fits(tmp_path: Path) -> None:
    """Its version is known after the build."""
    assert _read(tmp_path, HEAD + DIRECTORY, ("web>=2",))[1] == []
