"""Fixtures and Hypothesis profiles of the property tests.

By default the examples are the same in every run. `--hypothesis-profile=wide` tries many more,
chosen at random.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from engine.declaration.source_file import SourceFile

_SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=_SLOW)
settings.register_profile("wide", deadline=None, max_examples=5000, suppress_health_check=_SLOW)

Declare = Callable[[str], tuple[SourceFile, ...]]


def pytest_configure(config: pytest.Config) -> None:
    """Use the reproducible profile unless the command line names one."""
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("same")


@pytest.fixture(scope="session")
def declare(tmp_path_factory: pytest.TempPathFactory) -> Declare:
    """Return a function that turns text into the content of a declaration."""
    directory = tmp_path_factory.mktemp("declared")
    return lambda content: (
        SourceFile(file=str(directory / "widgets.toml"), directory=str(directory), content=content),
    )


@pytest.fixture(scope="session")
def cache_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory in which parsed declarations are cached."""
    return tmp_path_factory.mktemp("cache")
