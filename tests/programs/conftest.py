"""Hosts that install from the package index."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.host import Host


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the cache of all hosts, which is filled from the index."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def host(tmp_path: Path, shared_cache: Path) -> Host:
    """Return an empty host."""
    return Host(directory=tmp_path, cache=shared_cache)
