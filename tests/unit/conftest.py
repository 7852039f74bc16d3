"""A desk for every test that wants one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, places: tuple[Path, Path]) -> Desk:
    """A folder of notes, with a cache and a state folder of its own."""
    folder = tmp_path / "desk"
    folder.mkdir()
    return Desk(folder)
