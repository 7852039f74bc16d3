"""Fixtures for all tests: private directories, the command, and the closing lines of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.closing import CLOSING, Closing
from tests.support.command import Converge
from tests.support.file_order import keep_order, start_long_files_first


def pytest_configure(config: pytest.Config) -> None:
    """Start with empty counts, and keep the order of files."""
    config.stash[CLOSING] = Closing()
    keep_order(config)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the files for a run with several workers."""
    start_long_files_first(config, items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts of an xdist worker to the controller."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["closing"] = session.config.stash[CLOSING].to_dict()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add the counts of an xdist worker."""
    counts = getattr(node, "workeroutput", {}).get("closing")
    if counts:
        node.config.stash[CLOSING].add(counts)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the closing lines, and save the crash record if `--crash-record` is given."""
    closing = config.stash[CLOSING]
    closing.write(terminalreporter)
    record_path = config.getoption("--crash-record", default=None)
    if record_path:
        closing.record.save(Path(record_path))


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Private cache and state directories, set in the environment."""
    cache, state = tmp_path / "private" / "cache", tmp_path / "private" / "state"
    monkeypatch.setenv("CONVERGE_CACHE_DIR", str(cache))
    monkeypatch.setenv("CONVERGE_STATE_DIR", str(state))
    return cache, state


@pytest.fixture
def converge(tmp_path: Path) -> Converge:
    """The command, with private home, cache, and state directories."""
    return Converge(home=tmp_path / "private")
