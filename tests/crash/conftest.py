"""Fixtures of the crash tests: the record of results, and what this machine supports."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.closing import CLOSING

from . import disks, product, sandbox
from .rows import Record, Row
from .sampling import Sampling, Sweeper

UNSUPPORTED = pytest.StashKey[dict[str, str | None]]()
"""Maps each layer that was tried to the reason why it doesn't work here, or None."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options. pytest knows them only if the command line names this directory."""
    group = parser.getgroup("crash")
    group.addoption("--full-sweep", action="store_true", help="run every point, not a sample")
    group.addoption(
        "--max-points",
        type=int,
        default=0,
        metavar="N",
        help="limit a full sweep to N points of each row (default: no limit)",
    )
    group.addoption("--crash-record", metavar="FILE", help="write the results to FILE, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and start without any known limits of this machine."""
    config.addinivalue_line("markers", "crash: kills, failing disks and power cuts")
    config.stash[UNSUPPORTED] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test in this directory as a crash test, and deselect what isn't sampled.

    `-m` can't do that: it would replace the one in `pyproject.toml`.
    """
    directory = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(directory):
            item.add_marker(pytest.mark.crash)
    sweep_only = [item for item in items if item.get_closest_marker("sweep")]
    if sweep_only and not config.getoption("--full-sweep", default=False):
        config.stash[CLOSING].record.deselected += len(sweep_only)
        items[:] = [item for item in items if item not in sweep_only]
        config.hook.pytest_deselected(items=sweep_only)


@pytest.fixture(scope="session")
def record(request: pytest.FixtureRequest) -> Record:
    """Return the record that collects rows and unsupported layers."""
    return request.config.stash[CLOSING].record


@pytest.fixture(scope="session")
def sampling(request: pytest.FixtureRequest) -> Sampling:
    """Return how many points to run."""
    option = request.config.getoption
    return Sampling(
        full=bool(option("--full-sweep", default=False)),
        max_points=option("--max-points", default=0),
    )


def _unsupported_reason(layer: str) -> str | None:
    if layer == "crash points":
        return sandbox.unsupported_reason()
    if layer == "image layers":
        return disks.overlay_unsupported_reason()
    return disks.unsupported_reason(layer)


def _require(request: pytest.FixtureRequest, layer: str) -> None:
    reasons = request.config.stash[UNSUPPORTED]
    if layer not in reasons:
        reasons[layer] = _unsupported_reason(layer)
    reason = reasons[layer]
    if reason is not None:
        request.config.stash[CLOSING].record.skipped[layer] = reason
        pytest.skip(f"{layer}: {reason}")


@pytest.fixture
def needs_sandbox(request: pytest.FixtureRequest) -> None:
    """Skip and report it in the summary if the supervisor doesn't work on this machine."""
    _require(request, "crash points")


@pytest.fixture(scope="session")
def needs_converge() -> None:
    """Fail, rather than skip, if converge itself doesn't start."""
    error = product.startup_error()
    assert error is None, error


@pytest.fixture(scope="session")
def disk_kind_or_none(request: pytest.FixtureRequest) -> str | None:
    """Return a file system to restore states on, or None without loop mounts (slower)."""
    reason = sandbox.unsupported_reason() or disks.unsupported_reason("ext4")
    if reason is not None:
        request.config.stash[CLOSING].record.skipped["restored disks"] = reason
    return None if reason else "ext4"


@pytest.fixture(params=sorted(disks.MKFS))
def disk_kind(request: pytest.FixtureRequest, needs_sandbox: None) -> str:
    """Return each file system for power cuts. Skip and report it if it can't be mounted."""
    _require(request, request.param)
    return str(request.param)


@pytest.fixture
def layered_disk_kind(request: pytest.FixtureRequest, needs_sandbox: None) -> str:
    """Return a file system for images below an overlay. Skip and report it if unsupported."""
    _require(request, "ext4")
    _require(request, "image layers")
    return "ext4"


@pytest.fixture
def workspace() -> Iterator[Path]:
    """Return an empty directory with enough disk space for images."""
    directory = Path(tempfile.mkdtemp(prefix="crash-", dir=disks.image_dir()))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def results(record: Record) -> Iterator[list[Row]]:
    """Return a list of rows to count in the summary and in the table."""
    rows: list[Row] = []
    yield rows
    record.rows += rows


@pytest.fixture
def sweeper(
    workspace: Path, disk_kind_or_none: str | None, results: list[Row], sampling: Sampling
) -> Sweeper:
    """Return a sweeper that restores states on disks, if this machine supports them."""
    return Sweeper(workspace, disk_kind_or_none, results, sampling)
