"""Installers don't recover from a kill. converge therefore never installs in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import installers
from .power_cuts import sweep_power_cuts
from .rows import Row
from .sampling import SWEEP_ONLY, Sampling
from .sweep import all_points, sample, sweep

pytestmark = pytest.mark.usefixtures("needs_sandbox", "needs_uv")


@pytest.fixture
def needs_uv() -> None:
    """Skip if uv isn't installed."""
    if installers.find_uv() is None:
        pytest.skip("installers: uv isn't installed")


@pytest.mark.parametrize(
    ("tool", "update"),
    [
        pytest.param("uv", False, id="uv"),
        pytest.param("uv", True, id="uv-update", marks=SWEEP_ONLY),
        pytest.param("pip", False, id="pip", marks=SWEEP_ONLY),
        pytest.param("pip", True, id="pip-update", marks=SWEEP_ONLY),
    ],
)
def test_installer_retry_does_not_recover_from_a_kill(
    tool: str,
    update: bool,
    workspace: Path,
    disk_kind_or_none: str | None,
    results: list[Row],
    sampling: Sampling,
) -> None:
    scenario = installers.scenario(tool, update=update)
    select = all_points if sampling.full else sample(0, 0, 6)
    row = sweep(scenario, "kill", workspace, select=select, disk_kind=disk_kind_or_none)
    results.append(row)
    assert row.violated_points


@SWEEP_ONLY
@pytest.mark.parametrize("tool", installers.TOOLS)
def test_installer_loses_a_reported_result_in_a_power_cut(
    tool: str, disk_kind: str, workspace: Path, results: list[Row]
) -> None:
    scenario = installers.scenario(tool, update=False)
    row = sweep_power_cuts(scenario, disk_kind, workspace, select=all_points)
    results.append(row)
    assert any("reported as done, then lost" in violation.text for violation in row.violations)
