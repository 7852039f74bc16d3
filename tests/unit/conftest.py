"""Fixtures shared by the unit tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli_runner import CliRunner


@pytest.fixture
def cli(tmp_path: Path, places: tuple[Path, Path]) -> CliRunner:
    """Return a CLI runner with an empty project directory, a private cache, and private state."""
    directory = tmp_path / "project"
    directory.mkdir()
    return CliRunner(directory)
