"""Hosts for the tests, and a download cache that they share: it holds nothing but test wheels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.support.index import Index
from tests.support.wheels import make_wheel


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of all hosts that do not ask for their own."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def host(tmp_path: Path, shared_cache: Path) -> Host:
    """A host with nothing on it."""
    return Host(folder=tmp_path, cache=shared_cache)


@pytest.fixture
def stocked(host: Host) -> Host:
    """A host with a folder of wheels: `alpha` needs `beta`, of which there are two."""
    stock(host.wheels)
    return host


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Host:
    """A host with a finished environment, for all tests of a file."""
    host = Host(folder=tmp_path_factory.mktemp("live"), cache=shared_cache)
    stock(host.wheels)
    return host


@pytest.fixture
def live(built: Host) -> Host:
    """A host whose environment is as declared, whatever the test before left of it."""
    built.declare(["alpha", "beta<2"])
    if built.check().code:
        built.applied()
    return built


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index that serves the folder `served`."""
    (tmp_path / "served").mkdir()
    with Index(tmp_path / "served") as running:
        yield running


def stock(folder: Path) -> None:
    """Make the wheels that most tests use."""
    main = 'def main():\n    print("alpha {0}")\n'
    for version in ("1.0", "1.1"):
        content = f'__version__ = "{version}"\n' + main.format(version)
        files = {"alpha/__init__.py": content, "alpha/data/table.txt": "12345\n"}
        scripts = {"alpha": "alpha:main"}
        make_wheel(
            folder, "alpha", version, requires=["beta"], files=files, console_scripts=scripts
        )
    for version in ("1.0", "2.0"):
        make_wheel(folder, "beta", version)
    make_wheel(folder, "gamma", "3.0")
