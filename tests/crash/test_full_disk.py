"""A full disk changes nothing visible, is reported, and doesn't affect later runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from . import checker, product, small_disks, workers
from .product import NEW, OLD
from .rows import Row, Violation
from .sampling import Sampling
from .supervisor import run
from .sweep import PointSelector

pytestmark = pytest.mark.usefixtures("needs_sandbox", "needs_converge", "needs_mounts")

DISK_FULL = 73
STEPS = 24
"""Number of disk sizes between the size of one generation and the size of both."""

MountDisk = Callable[[Path, int], AbstractContextManager[None]]
"""Mounts a disk of the given size at a path."""


@pytest.fixture
def needs_mounts(disk_kind_or_none: str | None) -> None:
    """Skip if the test can't mount file systems."""
    if disk_kind_or_none is None:
        pytest.skip("small disks: can't mount file systems")


def update_on_growing_disks(
    home: Path, mount_disk: MountDisk, measure: int, select: PointSelector
) -> Iterator[str]:
    """Update on disks of growing size.

    Args:
        home: Directory of the host.
        mount_disk: Mounts a disk of a size.
        measure: 0 to limit kilobytes, 1 to limit inodes.
        select: Selects the sizes.

    Yields:
        `+ SIZE` for each size, and `SIZE<tab>TEXT` for each violation.
    """
    product.create_host(home)
    product.declare(home, OLD)
    with mount_disk(home / "srv", 1 << 20):
        product.apply(home)
        smallest = small_disks.usage(home / "srv")[measure]
        product.declare(home, NEW)
        product.apply(home)
        largest = small_disks.usage(home / "srv")[measure]
    for step in select(STEPS):
        size = smallest + (largest - smallest) * step // STEPS + 1
        yield f"+ {size}"
        yield from (f"{size}\t{text}" for text in _update_on_disk(home, mount_disk, size))


def _update_on_disk(home: Path, mount_disk: MountDisk, size: int) -> Iterator[str]:
    with mount_disk(home / "srv", size):
        product.declare(home, OLD)
        if run(product.command(home, "apply")).code != 0:
            return  # A build needs slightly more space than its result.
        product.declare(home, NEW)
        outcome = run(product.command(home, "apply"))
        error = product.published_error(home, [NEW if outcome.code == 0 else OLD])
        if error:
            yield f"exited with {outcome.code}, then: {error}"
        if outcome.code not in (0, 1, DISK_FULL):
            yield f"exited with {outcome.code}: {product.last_output(outcome)}"
        if outcome.code != 0:
            output = outcome.stdout + outcome.stderr
            if "no space" not in output.lower():
                yield f"doesn't report a full disk: {output!r}"
            if ": needs about " not in outcome.stdout:
                yield f"doesn't report how much space is missing: {outcome.stdout!r}"
            product.declare(home, OLD)
            yield from checker.Checker(version=OLD)(home, outcome)


@pytest.mark.parametrize("unit", ["bytes", "inodes"])
def test_full_disk_keeps_the_old_generation(
    unit: str, workspace: Path, results: list[Row], sampling: Sampling
) -> None:
    measure = ("bytes", "inodes").index(unit)

    def mount_disk(at: Path, size: int) -> AbstractContextManager[None]:
        if unit == "inodes":
            return small_disks.mounted_tmpfs(at, inodes=size)
        return small_disks.mounted_tmpfs(at, kilobytes=size)

    home = workspace / "home"
    home.mkdir()
    select = sampling.selector(1, 1, 4)
    handle = workers.spawn(lambda: update_on_growing_disks(home, mount_disk, measure, select))
    row = Row(scenario="update", fault=f"disk full ({unit}), tmpfs", total=STEPS)
    for line in workers.collect(handle):
        if line.startswith("+ "):
            row.run += 1
        else:
            size, _, text = line.partition("\t")
            row.violations.append(Violation(point=int(size), call=f"{size} {unit}", text=text))
    results.append(row)
    assert row.run > 0
    assert not row.violations, str(row)


def test_small_disk_does_fill_up(workspace: Path) -> None:
    def job() -> Iterator[str]:
        with small_disks.mounted_tmpfs(workspace, kilobytes=64):
            try:
                (workspace / "file").write_bytes(os.urandom(1 << 20))
            except OSError as error:
                yield str(error)

    assert "No space left" in workers.collect(workers.spawn(job))[0]
