"""The installers themselves do not stand a kill: that is why nothing is installed in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import installers
from .images import power
from .plan import Plan
from .rows import Row
from .sweep import every_point, sample, sweep

pytestmark = pytest.mark.usefixtures("caged")

CASES = [("uv", False), ("uv", True), ("pip", False), ("pip", True)]


@pytest.mark.parametrize(("tool", "update"), CASES)
def test_a_killed_installer_does_not_recover_by_running_it_again(
    tool: str, update: bool, workspace: Path, any_disk: str | None, keep: list[Row], plan: Plan
) -> None:
    if installers.uv() is None:
        pytest.skip("installers: uv is not there")
    if not plan.full and (tool, update) != CASES[0]:
        pytest.skip("the other installers are compared in the full sweep")
    choose = every_point if plan.full else sample(0, 0, 6)
    row = sweep(
        installers.scene(tool, update=update), "kill", workspace, choose=choose, fs=any_disk
    )
    keep.append(row)
    assert row.broken


@pytest.mark.parametrize("tool", installers.TOOLS)
def test_what_an_installer_reported_is_lost_in_a_power_cut(
    tool: str, disk_kind: str, workspace: Path, keep: list[Row], plan: Plan
) -> None:
    if installers.uv() is None:
        pytest.skip("installers: uv is not there")
    if not plan.full:
        pytest.skip("installers are compared in the full sweep")
    scene = installers.scene(tool, update=False)
    row = power(scene, disk_kind, workspace, choose=every_point)
    keep.append(row)
    assert any("reported as done, then lost" in one.text for one in row.violations)
