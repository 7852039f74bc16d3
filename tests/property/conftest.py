"""A folder to declare in, and how much is tried.

The same examples for every change; others, and many more, by `--hypothesis-profile=wide`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from engine.loading import Text

_SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=_SLOW)
settings.register_profile("wide", deadline=None, max_examples=5000, suppress_health_check=_SLOW)

Declare = Callable[[str], tuple[Text, ...]]


def pytest_configure(config: pytest.Config) -> None:
    """Try the same examples each time, unless more are asked for."""
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("same")


@pytest.fixture(scope="session")
def declare(tmp_path_factory: pytest.TempPathFactory) -> Declare:
    """Say what a file in a folder of its own would hold."""
    folder = tmp_path_factory.mktemp("declared")
    return lambda text: (Text(file=str(folder / "widgets.toml"), folder=str(folder), content=text),)


@pytest.fixture(scope="session")
def memo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where declarations are remembered."""
    return tmp_path_factory.mktemp("memo")
