"""The record of what was run, and what this machine refuses."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.closing import CLOSING

from . import cage, disks, product
from .plan import Plan
from .rows import Record, Row

REFUSED = pytest.StashKey[dict[str, str | None]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of this folder; unknown when the folder was not named on the command line."""
    group = parser.getgroup("crash")
    group.addoption("--full-sweep", action="store_true", help="run every point, not a sample")
    group.addoption("--most-points", type=int, default=0, metavar="N", help="of each row")
    group.addoption("--crash-record", metavar="FILE", help="where to write the counts, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Nothing is known to be refused yet."""
    config.addinivalue_line("markers", "crash: kills, failing disks and power cuts")
    config.stash[REFUSED] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Everything here is a crash test."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.crash)


@pytest.fixture(scope="session")
def record(request: pytest.FixtureRequest) -> Record:
    """Where rows and refused layers are gathered."""
    return request.config.stash[CLOSING].record


@pytest.fixture(scope="session")
def plan(request: pytest.FixtureRequest) -> Plan:
    """How much to run."""
    option = request.config.getoption
    return Plan(
        full=bool(option("--full-sweep", default=False)), most=option("--most-points", default=0)
    )


def _refused(layer: str) -> str | None:
    if layer == "crash points":
        return cage.refused()
    return disks.layers_refused() if layer == "image layers" else disks.refused(layer)


def _need(request: pytest.FixtureRequest, layer: str) -> None:
    known = request.config.stash[REFUSED]
    if layer not in known:
        known[layer] = _refused(layer)
    reason = known[layer]
    if reason is not None:
        request.config.stash[CLOSING].record.skipped[layer] = reason
        pytest.skip(f"{layer}: {reason}")


@pytest.fixture
def caged(request: pytest.FixtureRequest) -> None:
    """Skips, loudly, where processes cannot be supervised."""
    _need(request, "crash points")


@pytest.fixture(scope="session")
def runnable() -> None:
    """Fails, rather than skips, where the command itself does not start."""
    assert product.missing() is None, product.missing()


@pytest.fixture(scope="session")
def any_disk(request: pytest.FixtureRequest) -> str | None:
    """A file system to restore states on; None where there is no loop mount (slower)."""
    reason = cage.refused() or disks.refused("ext4")
    if reason is not None:
        request.config.stash[CLOSING].record.skipped["restored disks"] = reason
    return None if reason else "ext4"


@pytest.fixture(params=sorted(disks.MAKERS))
def disk_kind(request: pytest.FixtureRequest, caged: None) -> str:
    """Each file system for power cuts; skips, loudly, where it cannot be mounted."""
    _need(request, request.param)
    return str(request.param)


@pytest.fixture
def layers(request: pytest.FixtureRequest, caged: None) -> str:
    """A file system for images, with layers above them; skips, loudly, where there are none."""
    _need(request, "ext4")
    _need(request, "image layers")
    return "ext4"


@pytest.fixture
def workspace() -> Iterator[Path]:
    """An empty folder with room for disks."""
    folder = Path(tempfile.mkdtemp(prefix="crash-", dir=disks.place()))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def keep(record: Record) -> Iterator[list[Row]]:
    """Rows put here are counted in the closing line and the table."""
    rows: list[Row] = []
    yield rows
    record.rows += rows
