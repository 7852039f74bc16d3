"""The engine, the written wrappers and the real tools, for all tests of this folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from states.wrappers import PLACES, write
from tests.support.closing import CLOSING
from tests.support.index import Index
from tests.wrappers.callers.caller import Place, clean_environment
from tests.wrappers.environments import ANSIBLE, REPOSITORY, TOOLS, NotHere, environment
from tests.wrappers.world import PASSWORD, World, make_world

VERSION = "0.1.0"
_missing: set[str] = set()

_LONG = (
    *(f"[{name}" for name in TOOLS if name.startswith("ansible") and name != ANSIBLE),
    "test_scenarios.py::*[pyinfra",
    "test_scenarios.py::*[dsc",
    "test_secrets.py::*[ansible",
    "test_secrets.py::*[salt",
    "test_secrets.py::*[pyinfra",
    "test_documents.py::test_the_commands*[ansible",
    "test_documents.py::test_the_commands*[salt",
    "test_documents.py::test_the_commands*[fleet",
    "test_ansible_test.py",
    "test_salt.py",
)
"""What is marked with the fleet, since the rest shall be done in three minutes on two processors."""

_LAUNCHER = """\
#!{python} -I
import runpy, sys
sys.path.insert(0, {repository!r})
sys.argv[0] = "converge"
runpy.run_module("states", run_name="__main__", alter_sys=True)
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here, so that a quick run can leave it out by one word."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.wrappers)
            if any(_matches(item.nodeid, pattern) for pattern in _LONG):
                item.add_marker(pytest.mark.fleet)


def _matches(nodeid: str, pattern: str) -> bool:
    """Say whether the parts of the pattern stand in the name in their order."""
    for part in pattern.split("*"):
        _, found, nodeid = nodeid.partition(part)
        if not found:
            return False
    return True


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Remember what was left out."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.config.stash[CLOSING].left_out.add(item.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Have it told what could not be proved on this machine."""
    session.config.stash[CLOSING].missing.update(_missing)


def unavailable(why: str) -> None:
    """Skip the test, loudly; with CONVERGE_WRAPPERS_REQUIRED set, fail instead."""
    _missing.add(why)
    if os.environ.get("CONVERGE_WRAPPERS_REQUIRED"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """Return the `bin` folder of a tool by its key, or skip loudly."""

    def find(key: str) -> Path:
        try:
            return environment(key)
        except NotHere as why:
            unavailable(str(why))
            raise

    return find


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of this working tree, or the one that CONVERGE_COMMAND names."""
    named = os.environ.get("CONVERGE_COMMAND")
    if named:
        return Path(named)
    launcher = tmp_path_factory.mktemp("engine") / "converge"
    launcher.write_text(_LAUNCHER.format(python=sys.executable, repository=str(REPOSITORY)))
    launcher.chmod(0o755)
    launcher.parent.chmod(0o755)
    return launcher


@pytest.fixture(scope="session")
def wrappers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each wrapper written out below its tool's name."""
    folder = tmp_path_factory.mktemp("wrappers")
    for name in PLACES:
        write(name, folder / name, VERSION)
    return folder


@pytest.fixture
def place(tmp_path: Path, engine: Path, wrappers: Path) -> Callable[[str], Place]:
    """Return a place of its own for a tool, with nothing of this machine's configuration."""

    def make(name: str) -> Place:
        folder = tmp_path / name
        folder.mkdir()
        environ = clean_environment(tmp_path, engine.parent)
        return Place(folder=folder, engine=engine, wrapper=wrappers / name, environ=environ)

    return make


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """What there is to install, and an index that wants a password."""
    folder = tmp_path_factory.mktemp("world")
    with Index(folder / "wheels", auth=("deploy", PASSWORD)) as index:
        yield make_world(folder, index)
