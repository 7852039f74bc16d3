"""Whoever uses the published path meanwhile sees the old or the new, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import product, scenarios
from .calls import Call
from .faults import Fault
from .judge import Judge
from .plan import Plan
from .product import NEW, OLD
from .reader import Reader
from .rows import Row, Violation
from .scene import Scene
from .supervisor import Answer, Go, Outcome, Tree, run

pytestmark = pytest.mark.usefixtures("caged", "runnable")

BEGINNING = 12
"""Calls before which the sample always looks: some runs make hardly more."""


def reader(home: Path) -> Reader:
    """One that runs the venv's own command, as a service's start does."""
    path = product.published(home)
    return Reader(path, [str(path / "bin" / "alpha")], [OLD, NEW])


def test_a_reader_never_sees_a_broken_path_while_versions_change(workspace: Path) -> None:
    product.lay_out(workspace)
    product.declare(workspace, OLD)
    product.apply(workspace)
    with reader(workspace) as beside:
        for version in (NEW, OLD, NEW):
            product.declare(workspace, version)
            product.apply(workspace)
    assert beside.looks > 10 and beside.runs > 2
    assert not beside.broken


def test_a_reader_never_sees_a_broken_path_while_runs_are_killed(workspace: Path) -> None:
    product.lay_out(workspace)
    product.declare(workspace, OLD)
    product.apply(workspace)
    with reader(workspace) as beside:
        for version, at in ((NEW, 50), (OLD, 150), (NEW, 250), (OLD, 350)):
            product.declare(workspace, version)
            fault = Fault(kind="kill", at=at)
            run(product.command(workspace, "apply"), roots=[workspace], decide=fault, writes=True)
    assert not beside.broken
    product.declare(workspace, NEW)
    assert not Judge()(workspace, Outcome(killed=True))


def test_a_repair_leaves_no_moment_without_a_working_path(workspace: Path) -> None:
    product.lay_out(workspace)
    product.declare(workspace, NEW)
    product.apply(workspace)
    scenarios.damage(workspace)
    with reader(workspace) as beside:
        product.apply(workspace)
    assert beside.looks > 10
    assert not beside.broken


@pytest.mark.parametrize("scene", scenarios.WATCHED, ids=lambda scene: scene.name)
def test_the_published_path_is_whole_before_every_single_call(
    scene: Scene, workspace: Path, keep: list[Row], plan: Plan
) -> None:
    scene.setup(workspace)
    wrong: list[Violation] = []
    row = Row(scene=scene.name, fault="a look before each call", total=0)
    last = ""
    stride = 1 if plan.full else 40

    def decide(call: Call, _tree: Tree) -> Answer:
        nonlocal last
        on_the_way = watched(call, last)
        # Only what changes the way to the venv, or what is inside it, can change the answer.
        if call.effect in ("change", "write") or on_the_way:
            row.total += 1
            if on_the_way or row.total <= BEGINNING or row.total % stride == 0:
                row.run += 1
                seen = scene.look(workspace)
                if seen:
                    wrong.append(Violation(point=call.number, call=str(call), text=seen))
        last = call.paths[-1] if call.paths else ""
        return Go()

    def watched(call: Call, before: str) -> bool:
        way = str(product.published(workspace))
        return way in (*call.paths, before)

    outcome = run(scene.command(workspace), roots=[workspace], decide=decide, writes=True)
    row.violations = wrong
    keep.append(row)
    assert outcome.code == 0, product.said(outcome)
    assert row.run > 3
    assert not row.violations, str(row)
