"""What each tool foretells is what happens, for every row of the table."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wrappers.callers.ansible import Ansible
from tests.wrappers.callers.caller import Caller, Place, clean_environment
from tests.wrappers.callers.command import Command
from tests.wrappers.callers.dsc import Dsc
from tests.wrappers.callers.pyinfra import Pyinfra
from tests.wrappers.callers.salt import Salt
from tests.wrappers.meddling import site_packages
from tests.wrappers.replay import Replay, installed, replay, rows
from tests.wrappers.table import Scenario
from tests.wrappers.world import World

CALLERS = ("command", "ansible-2.21", "ansible-2.19", "salt", "pyinfra", "dsc")

POISON = {
    "PIP_INDEX_URL": "http://127.0.0.1:9/poison",
    "PIP_TARGET": "/nowhere/poison",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_NO_BINARY": ":all:",
    "UV_INDEX_URL": "http://127.0.0.1:9/poison",
    "UV_DEFAULT_INDEX": "http://127.0.0.1:9/poison",
    "UV_PROJECT_ENVIRONMENT": "/nowhere/poison",
    "UV_PYTHON": "/nowhere/poison",
    "VIRTUAL_ENV": "/nowhere/poison",
}
"""Every tool but the plain command runs in this, and under a umask that shuts others out."""

ROWS = pytest.mark.parametrize("row", rows(), ids=[row.id for row in rows()])


def _caller(name: str, at: Place, tool: Callable[[str], Path]) -> Caller:
    if name.startswith("ansible"):
        return Ansible(at, tool(name), name)
    if name == "salt":
        return Salt(at, tool(name))
    if name == "pyinfra":
        return Pyinfra(at, tool(name))
    return Dsc(at) if name == "dsc" else Command(at)


@pytest.fixture(scope="module", params=CALLERS)
def run(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    engine: Path,
    wrappers: Path,
    world: World,
    tool: Callable[[str], Path],
) -> tuple[Caller, Replay]:
    """The whole table, replayed once through this caller."""
    name = request.param
    folder = tmp_path_factory.mktemp(name)
    environ = clean_environment(folder, engine.parent)
    wrapper = wrappers / name.partition("-")[0]
    plain = Place(folder=folder, engine=engine, wrapper=wrapper, environ=environ)
    at = plain
    if name != "command":
        poisoned = environ | POISON | {"PYTHONPATH": str(_poison(folder / "poison"))}
        at = Place(folder=folder, engine=engine, wrapper=wrapper, environ=poisoned, umask=0o077)
    caller = _caller(name, at, tool)
    return caller, replay(caller, plain, world, folder / "venvs")


def _poison(folder: Path) -> Path:
    """Make a folder for PYTHONPATH in which every interpreter that reads it leaves its name."""
    folder.mkdir()
    lines = ["import sys", f"open({str(folder / 'ran')!r}, 'a').write(sys.prefix + '\\n')"]
    (folder / "sitecustomize.py").write_text("\n".join(lines) + "\n")
    return folder


@ROWS
def test_what_is_foretold_is_what_was_expected(run: tuple[Caller, Replay], row: Scenario) -> None:
    """The dry run names the outcome, and each change that the table asks for."""
    caller, seen = run
    foretold = seen.foretold[row.id]
    assert foretold.outcome == row.outcome
    if caller.names_versions:
        assert {(name, *sides) for name, sides in row.changes.items()} <= foretold.changes


@ROWS
def test_what_was_foretold_is_what_happens(run: tuple[Caller, Replay], row: Scenario) -> None:
    """The real run tells the same outcome and the very same changes."""
    _, seen = run
    assert seen.real[row.id] == seen.foretold[row.id]


@ROWS
def test_the_second_run_changes_nothing(run: tuple[Caller, Replay], row: Scenario) -> None:
    """After a change there is nothing left; what failed fails again."""
    _, seen = run
    expected = "failed" if row.outcome == "failed" else "unchanged"
    assert seen.again[row.id].outcome == expected
    assert not seen.again[row.id].changes


@ROWS
def test_the_disk_is_as_declared(run: tuple[Caller, Replay], row: Scenario) -> None:
    """Versions and files are those of the table, and anyone may read them."""
    _, seen = run
    venv = seen.root / row.id
    there = installed(venv)
    for name, version in row.installed.items():
        assert there.get(name, "") == version
    for path, content in row.holds.items():
        held = site_packages(venv) / path
        assert held.read_text() == content
    if row.outcome != "failed" and venv.exists():
        closed = [path for path in venv.resolve().rglob("*") if not path.lstat().st_mode & 0o004]
        assert closed == []


def test_the_dry_run_writes_nothing_beside_the_environments(run: tuple[Caller, Replay]) -> None:
    """Not a file below the folder of the environments is made, removed or written."""
    _, seen = run
    assert not seen.written_by_the_dry_run


def test_nothing_of_the_callers_environment_reaches_an_environment(
    run: tuple[Caller, Replay],
) -> None:
    """No interpreter of a declared environment has read the caller's PYTHONPATH."""
    _, seen = run
    ran = seen.root.parent / "poison" / "ran"
    if ran.exists():
        prefixes = set(ran.read_text().splitlines())
        assert not {prefix for prefix in prefixes if prefix.startswith(str(seen.root))}


def test_nothing_belongs_to_someone_else(run: tuple[Caller, Replay]) -> None:
    """Every file of a live environment belongs to who ran the tool."""
    _, seen = run
    venvs = [venv.resolve() for venv in seen.root.iterdir() if venv.is_symlink()]
    every = [path for venv in venvs for path in venv.rglob("*")]
    assert every
    assert [path for path in every if path.lstat().st_uid != os.geteuid()] == []
