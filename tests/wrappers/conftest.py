"""Fixtures for the wrapper tests: the command, the exported wrappers, and the real tools."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from states.wrappers import PLACES, write
from tests.support.closing import CLOSING
from tests.support.index import Index
from tests.wrappers.callers.caller import Workspace, clean_environment
from tests.wrappers.environments import REPOSITORY, ToolUnavailable, environment
from tests.wrappers.sources import PASSWORD, Sources, make_sources

VERSION = "0.1.0"
_missing: set[str] = set()

_LAUNCHER = """\
import runpy, sys
sys.path.insert(0, {repository!r})
sys.argv[0] = "converge"
runpy.run_module("states", run_name="__main__", alter_sys=True)
"""
# The least that a daemon or a remote shell gives, whichever tool a test uses: no locale, no home
# directory, a strict umask, and a closed standard input unless the command reads it.
_BARE = """\
#!/bin/sh
unset HOME LANG LANGUAGE LC_ALL LC_CTYPE
umask 077
for argument; do
    [ "$argument" = - ] && exec {python} -I {program} "$@"
done
exec {python} -I {program} "$@" <&-
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in this directory, so that `-m wrappers` selects all of them."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.wrappers)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Record the deselected wrapper tests for the closing lines."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.config.stash[CLOSING].deselected.add(item.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Record the reasons for skipped tests before the session reports them."""
    session.config.stash[CLOSING].missing.update(_missing)


def skip_unavailable(reason: str) -> None:
    """Skip the test and report the reason; fail if CONVERGE_WRAPPERS_REQUIRED is set."""
    _missing.add(reason)
    if os.environ.get("CONVERGE_WRAPPERS_REQUIRED"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """Return a function that finds the `bin` directory of a tool, or skips the test."""

    def find(key: str) -> Path:
        try:
            return environment(key)
        except ToolUnavailable as error:
            skip_unavailable(str(error))
            raise

    return find


@pytest.fixture(scope="session")
def executable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of this working tree, or the one that CONVERGE_COMMAND names.

    It runs in a bare environment.
    """
    configured = os.environ.get("CONVERGE_COMMAND")
    if configured:
        return Path(configured)
    launcher = tmp_path_factory.mktemp("executable") / "converge"
    program = launcher.parent / "converge.py"
    program.write_text(_LAUNCHER.format(repository=str(REPOSITORY)))
    launcher.write_text(_BARE.format(python=sys.executable, program=program))
    launcher.chmod(0o755)
    launcher.parent.chmod(0o755)
    return launcher


@pytest.fixture(scope="session")
def wrappers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one subdirectory for each exported wrapper."""
    directory = tmp_path_factory.mktemp("wrappers")
    for name in PLACES:
        write(name, directory / name, VERSION)
    return directory


@pytest.fixture
def make_workspace(tmp_path: Path, executable: Path, wrappers: Path) -> Callable[[str], Workspace]:
    """Return a function that creates a workspace, isolated from this machine's configuration."""

    def make(name: str) -> Workspace:
        directory = tmp_path / name
        directory.mkdir()
        environ = clean_environment(tmp_path, executable.parent)
        return Workspace(
            directory=directory, executable=executable, wrapper=wrappers / name, environ=environ
        )

    return make


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sources]:
    """Packages to install, and an index that requires a password."""
    directory = tmp_path_factory.mktemp("sources")
    with Index(directory / "wheels", auth=("deploy", PASSWORD)) as index:
        yield make_sources(directory, index)
