"""What tests of several folders share: places of their own, the command, and the closing lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.closing import CLOSING, Closing
from tests.support.command import Converge


def pytest_configure(config: pytest.Config) -> None:
    """Nothing was seen yet."""
    config.stash[CLOSING] = Closing()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send what was seen to the process that tells it, where that is another one."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["closing"] = session.config.stash[CLOSING].sent()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take up what one of several processes saw."""
    sent = getattr(node, "workeroutput", {}).get("closing")
    if sent:
        node.config.stash[CLOSING].add(sent)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was proved, and what was not."""
    closing = config.stash[CLOSING]
    closing.tell(terminalreporter)
    file = config.getoption("--crash-record", default=None)
    if file:
        closing.record.save(Path(file))


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A cache and a state folder that nobody else uses, in force by the environment."""
    cache, state = tmp_path / "private" / "cache", tmp_path / "private" / "state"
    monkeypatch.setenv("CONVERGE_CACHE_DIR", str(cache))
    monkeypatch.setenv("CONVERGE_STATE_DIR", str(state))
    return cache, state


@pytest.fixture
def converge(tmp_path: Path) -> Converge:
    """The command, with a home, a cache and a state folder that nobody else uses."""
    return Converge(home=tmp_path / "private")
