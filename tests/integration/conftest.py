"""Hosts for the tests, and a download cache that they share; it contains only test wheels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.integration.snapshots import Snapshots
from tests.support.index import Index
from tests.support.wheels import make_wheel


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the cache of all hosts that don't need a private one."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def host(tmp_path: Path, shared_cache: Path) -> Host:
    """Return an empty host."""
    return Host(directory=tmp_path, cache=shared_cache)


@pytest.fixture
def host_with_wheels(host: Host) -> Host:
    """Return a host with a directory of wheels; `alpha` requires `beta`, which has two versions."""
    make_wheels(host.wheels)
    return host


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Snapshots:
    """Return the snapshots of the module."""
    directory = tmp_path_factory.mktemp("snapshots")
    return Snapshots(directory=directory / "host", saved=directory / "saved", cache=shared_cache)


@pytest.fixture(scope="module")
def module_host(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Host:
    """Return a host with wheels that all tests of a module share."""
    host = Host(directory=tmp_path_factory.mktemp("module"), cache=shared_cache)
    make_wheels(host.wheels)
    return host


@pytest.fixture
def applied_host(module_host: Host) -> Host:
    """Return the host of the module with an applied declaration; repair it if necessary."""
    module_host.declare(["alpha", "beta<2"])
    if module_host.check().code:
        module_host.apply_ok()
    return module_host


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """Yield an index that serves the directory `served`."""
    (tmp_path / "served").mkdir()
    with Index(tmp_path / "served") as server:
        yield server


def make_wheels(directory: Path) -> None:
    """Create the wheels that most tests use."""
    main = 'def main():\n    print("alpha {0}")\n'
    for version in ("1.0", "1.1"):
        content = f'__version__ = "{version}"\n' + main.format(version)
        files = {"alpha/__init__.py": content, "alpha/data/table.txt": "12345\n"}
        scripts = {"alpha": "alpha:main"}
        make_wheel(
            directory, "alpha", version, requires=["beta"], files=files, console_scripts=scripts
        )
    for version in ("1.0", "2.0"):
        make_wheel(directory, "beta", version)
    make_wheel(directory, "gamma", "3.0")
