"""A full disk changes nothing that can be seen, says so, and hinders nothing afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from . import judge, product, rooms, workers
from .plan import Plan
from .product import NEW, OLD
from .rows import Row, Violation
from .supervisor import run
from .sweep import Choice

pytestmark = pytest.mark.usefixtures("caged", "runnable")

CANNOT_CREATE = 73
STEPS = 24
"""Sizes between what the old generation takes and what both take."""

Room = Callable[[Path, int], AbstractContextManager[None]]


def ladder(home: Path, room: Room, measure: int, choose: Choice) -> Iterator[str]:
    """Updates in rooms of growing size; yields the number of steps, then the violations."""
    product.lay_out(home)
    product.declare(home, OLD)
    with room(home / "srv", 1 << 20):
        product.apply(home)
        least = rooms.used(home / "srv")[measure]
        product.declare(home, NEW)
        product.apply(home)
        most = rooms.used(home / "srv")[measure]
    for step in choose(STEPS):
        size = least + (most - least) * step // STEPS + 1
        yield f"+ {size}"
        yield from (f"{size}\t{text}" for text in _climb(home, room, size))


def _climb(home: Path, room: Room, size: int) -> Iterator[str]:
    with room(home / "srv", size):
        product.declare(home, OLD)
        if run(product.command(home, "apply")).code != 0:
            return  # building takes a little more than what is built
        product.declare(home, NEW)
        tried = run(product.command(home, "apply"))
        seen = product.look(home, [NEW if tried.code == 0 else OLD])
        if seen:
            yield f"ended with {tried.code}, then: {seen}"
        if tried.code not in (0, 1, CANNOT_CREATE):
            yield f"ended with {tried.code}: {product.said(tried)}"
        if tried.code != 0:
            if "no space" not in (tried.stdout + tried.stderr).lower():
                yield f"does not say that the disk is full: {tried.stdout + tried.stderr!r}"
            if " free and needs about " not in tried.stdout:
                yield f"does not say how much is missing: {tried.stdout!r}"
            product.declare(home, OLD)
            yield from judge.Judge(version=OLD)(home, tried)


@pytest.mark.parametrize("what", ["bytes", "inodes"])
def test_a_disk_that_fills_up_keeps_the_old_generation(
    what: str, workspace: Path, any_disk: str | None, keep: list[Row], plan: Plan
) -> None:
    if any_disk is None:
        pytest.skip("small disks: no mounts here")
    measure = ("bytes", "inodes").index(what)

    def room(at: Path, size: int) -> AbstractContextManager[None]:
        return rooms.small(at, inodes=size) if measure else rooms.small(at, kilobytes=size)

    home = workspace / "home"
    home.mkdir()
    choose = plan.points(1, 1, 4)
    told = workers.collect(workers.spawn(lambda: ladder(home, room, measure, choose)))
    row = Row(scene="update", fault=f"room for fewer {what}, tmpfs", total=STEPS)
    for line in told:
        if line.startswith("+ "):
            row.run += 1
        else:
            size, _, text = line.partition("\t")
            row.violations.append(Violation(point=int(size), call=f"{size} {what}", text=text))
    keep.append(row)
    assert row.run > 0
    assert not row.violations, str(row)


def test_the_ladder_really_reaches_a_full_disk(workspace: Path, any_disk: str | None) -> None:
    if any_disk is None:
        pytest.skip("small disks: no mounts here")

    def job() -> Iterator[str]:
        with rooms.small(workspace, kilobytes=64):
            try:
                (workspace / "file").write_bytes(os.urandom(1 << 20))
            except OSError as problem:
                yield str(problem)

    assert "No space left" in workers.collect(workers.spawn(job))[0]
