"""Whatever stops a run at whichever call, the next plain run puts it right."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import product, scenarios
from .faults import KINDS, LOSS, Fault
from .images import power
from .plan import Plan
from .rows import Row
from .scene import Scene
from .supervisor import run
from .sweep import sweep

pytestmark = pytest.mark.usefixtures("caged", "runnable")

QUICK = {
    "kill": (1, 3, 2),
    LOSS: (50, 50, 0),
    "ENOSPC": (0, 1, 2),
    "EIO": (0, 1, 2),
    "SIGTERM": (0, 1, 2),
}
"""What is run for every change: first, last and other points; the rest on demand only."""

ERRORS_IN = ("update",)
"""Where errors and signals are sampled for every change."""

REMOVES = ("gc", "remove")
"""What has to do with folders that cannot be renamed."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scene", scenarios.SCENES, ids=lambda scene: scene.name)
def test_the_next_run_puts_right_what_was_interrupted(
    scene: Scene, kind: str, workspace: Path, any_disk: str | None, keep: list[Row], plan: Plan
) -> None:
    if not plan.full and (kind not in QUICK or (kind != "kill" and scene.name not in ERRORS_IN)):
        pytest.skip(f"{kind} is struck in the full sweep")
    choose = plan.points(*QUICK.get(kind, (0, 0, 0)))
    row = sweep(scene, kind, workspace, choose=choose, fs=any_disk)
    if not row.total:
        pytest.skip(f"{scene.name} makes no call at which {kind} can strike")
    keep.append(row)
    assert row.run > 0
    assert not row.violations, str(row)


@pytest.mark.parametrize("scene", scenarios.RECOVERIES, ids=lambda scene: scene.name)
def test_a_recovery_may_itself_be_killed(
    scene: Scene, workspace: Path, any_disk: str | None, keep: list[Row], plan: Plan
) -> None:
    if not plan.full:
        pytest.skip("recoveries are killed in the full sweep")
    row = sweep(scene, "kill", workspace, choose=plan.points(), fs=any_disk)
    keep.append(row)
    assert not row.violations, str(row)


@pytest.mark.parametrize("kind", ["kill", "EIO"])
@pytest.mark.parametrize("scene", scenarios.IN_AN_IMAGE, ids=lambda scene: scene.name)
def test_what_came_with_an_image_is_no_hindrance(
    scene: Scene, kind: str, workspace: Path, layers: str, keep: list[Row], plan: Plan
) -> None:
    if not plan.full and (kind != "kill" or scene.name not in REMOVES):
        pytest.skip("this is for the full sweep")
    choose = plan.points(1, 3, 2)
    row = sweep(scene, kind, workspace, choose=choose, fs=layers, layers=True)
    row.scene = f"{scene.name}, in a container"
    keep.append(row)
    assert row.run > 0
    assert not row.violations, str(row)


@pytest.mark.parametrize("at", [60, 100, 130, 160, 230])
def test_the_next_build_clears_the_scratch_folders_of_a_killed_one(
    at: int, workspace: Path
) -> None:
    scene = scenarios.update()
    scene.setup(workspace)
    fault = Fault(kind="kill", at=at)
    run(scene.command(workspace), roots=[workspace], decide=fault, writes=True)
    assert fault.struck
    product.apply(workspace)
    assert [path.name for path in (workspace / "cache" / "work").iterdir()] == []


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("scene", scenarios.POWER, ids=lambda scene: scene.name)
def test_what_was_reported_survives_a_power_cut(
    scene: Scene, seed: int | None, disk_kind: str, workspace: Path, keep: list[Row], plan: Plan
) -> None:
    if not plan.full and (seed is not None or scene.name not in ("create", "update")):
        pytest.skip("this power cut is for the full sweep")
    choose = plan.points(0, 2, 1)
    row = power(scene, disk_kind, workspace, choose=choose, seed=seed)
    keep.append(row)
    assert row.run > 0
    assert not row.violations, str(row)
