"""What tests of several folders share: places of their own, and the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import Converge


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
