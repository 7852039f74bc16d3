"""A full disk of the build host changes nothing visible, and loses no finished wheel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import product, small_disks, wheelhouse_scenarios, workers
from .product import NEW, OLD
from .supervisor import run
from .test_full_disk import DISK_FULL

pytestmark = pytest.mark.usefixtures("needs_sandbox", "needs_converge", "needs_mounts")
STEPS = 6
"""Number of disk sizes between the size of one generation and the size of both."""


@pytest.fixture
def needs_mounts(disk_kind_or_none: str | None) -> None:
    """Skip if the test can't mount file systems."""
    if disk_kind_or_none is None:
        pytest.skip("small disks: can't mount file systems")


def update_on_small_disks(home: Path) -> Iterator[str]:
    """Update on disks of growing size. Yield `+ CODE` for each size, and each violation."""
    wheelhouse_scenarios.create_host(home)
    with small_disks.mounted_tmpfs(home / "srv"):
        wheelhouse_scenarios.declare(home, OLD)
        product.run_ok(home, "apply", "--only", "wheelhouse.main")
        smallest = small_disks.usage(home / "srv")[0]
        wheelhouse_scenarios.declare(home, NEW)
        product.run_ok(home, "apply", "--only", "wheelhouse.main")
        largest = small_disks.usage(home / "srv")[0]
    for step in range(STEPS):
        size = smallest + (largest - smallest) * step // STEPS + 4
        with small_disks.mounted_tmpfs(home / "srv", kilobytes=size):
            yield from _update_on_disk(home)


def _update_on_disk(home: Path) -> Iterator[str]:
    wheelhouse_scenarios.declare(home, OLD)
    if run(wheelhouse_scenarios.command(home)).code != 0:
        return  # A build needs slightly more space than its result.
    before = set(wheelhouse_scenarios.finished_wheels(home))
    wheelhouse_scenarios.declare(home, NEW)
    outcome = run(wheelhouse_scenarios.command(home))
    yield f"+ {outcome.code}"
    allowed = (NEW,) if outcome.code == 0 else (OLD,)
    house = wheelhouse_scenarios.published(home)
    if error := wheelhouse_scenarios.index_error(house, allowed):
        yield f"exited with {outcome.code}, then: {error}"
    if lost := before - set(wheelhouse_scenarios.finished_wheels(home)):
        yield f"lost {len(lost)} finished wheels"
    if outcome.code != 0:
        output = outcome.stdout + outcome.stderr
        if outcome.code != DISK_FULL or "no space" not in output.lower():
            yield f"exited with {outcome.code}: {product.last_output(outcome)}"
        wheelhouse_scenarios.declare(home, OLD)
        again = run(wheelhouse_scenarios.command(home))
        if again.code != 0:
            yield f"the old declaration fails with {again.code}: {product.last_output(again)}"


def test_full_disk_keeps_the_index_and_finished_wheels(workspace: Path) -> None:
    home = workspace / "home"
    home.mkdir()
    lines = workers.collect(workers.spawn(lambda: update_on_small_disks(home)))
    assert "+ 73" in lines, lines
    assert [line for line in lines if not line.startswith("+ ")] == []
