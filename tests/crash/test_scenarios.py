"""After a fault at any system call, the next plain run completes the change."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from . import global_scenarios, persistent_scenarios, product, scenarios, wheelhouse_scenarios
from .faults import FAULTS, LOST_SYNC, Fault
from .power_cuts import sweep_power_cuts
from .rows import Row
from .sampling import SWEEP_ONLY, Sampling, Sweeper
from .scenario import Scenario
from .supervisor import run
from .sweep import sweep

pytestmark = pytest.mark.usefixtures("needs_sandbox", "needs_converge")

SAMPLED_FAULTS = {
    "kill": (1, 3, 2),
    LOST_SYNC: (50, 50, 0),
    "ENOSPC": (0, 1, 2),
    "EIO": (0, 1, 2),
    "SIGTERM": (0, 1, 2),
}
"""The faults of the default run: number of first, last, and other points."""

SAMPLED_SCENARIOS = ("update",)
"""The scenarios in which the default run injects errors and signals."""

SWEPT_SCENARIOS = ("persistent create",)
"""The scenarios that only the full sweep runs. They resemble another one."""

DELETING_SCENARIOS = ("gc", "remove")
"""The scenarios that depend on whether directories can be renamed."""


def interruptions() -> Iterable[object]:
    """Return each scenario with each fault. Mark the cases that only the full sweep runs."""
    groups = (scenarios, persistent_scenarios, global_scenarios, wheelhouse_scenarios)
    for scenario in (scenario for group in groups for scenario in group.SCENARIOS):
        for fault in FAULTS:
            sampled = (fault == "kill" and scenario.name not in SWEPT_SCENARIOS) or (
                fault in SAMPLED_FAULTS and scenario.name in SAMPLED_SCENARIOS
            )
            yield case(scenario, fault, sampled=sampled)


def container_interruptions() -> Iterable[object]:
    """Return the cases for a scenario in a container."""
    for scenario in scenarios.IN_CONTAINER:
        for fault in ("kill", "EIO"):
            sampled = fault == "kill" and scenario.name in DELETING_SCENARIOS
            yield case(scenario, fault, sampled=sampled)


def power_cut_cases() -> Iterable[object]:
    """Return the cases for power cuts, with and without early syncs."""
    for scenario in (*scenarios.POWER_CUT, *wheelhouse_scenarios.SCENARIOS):
        for seed in (None, 1):
            sampled = seed is None and scenario.name in ("create", "update")
            yield case(scenario, seed, sampled=sampled)


def case(scenario: Scenario, parameter: object, *, sampled: bool) -> object:
    """Return one case of a test, named for the scenario and the parameter."""
    marks = () if sampled else (SWEEP_ONLY,)
    return pytest.param(scenario, parameter, id=f"{scenario.name}-{parameter}", marks=marks)


@pytest.mark.parametrize(("scenario", "fault"), list(interruptions()))
def test_next_run_completes_an_interrupted_change(
    scenario: Scenario, fault: str, sweeper: Sweeper
) -> None:
    row = sweeper.run(scenario, fault, *SAMPLED_FAULTS.get(fault, (0, 0, 0)))
    if not row.total:
        pytest.skip(f"{scenario.name} makes no call at which {fault} is possible")
    sweeper.require_no_violation(row)


@SWEEP_ONLY
@pytest.mark.parametrize("scenario", scenarios.RECOVERIES, ids=lambda scenario: scenario.name)
def test_next_run_completes_an_interrupted_recovery(scenario: Scenario, sweeper: Sweeper) -> None:
    sweeper.require_no_violation(sweeper.run(scenario, "kill"))


@pytest.mark.parametrize(("scenario", "fault"), list(container_interruptions()))
def test_next_run_completes_a_change_in_a_container(
    scenario: Scenario,
    fault: str,
    workspace: Path,
    layered_disk_kind: str,
    results: list[Row],
    sampling: Sampling,
) -> None:
    select = sampling.selector(1, 3, 2)
    row = sweep(scenario, fault, workspace, select=select, disk_kind=layered_disk_kind, layers=True)
    row.scenario = f"{scenario.name}, in a container"
    results.append(row)
    assert row.run > 0
    assert not row.violations, str(row)


@pytest.mark.parametrize("at", [60, 100, 130, 160, 230])
def test_next_build_deletes_a_killed_runs_scratch_directories(at: int, workspace: Path) -> None:
    scenario = scenarios.update()
    scenario.setup(workspace)
    fault = Fault(kind="kill", at=at)
    run(scenario.command(workspace), roots=[workspace], decide=fault, writes=True)
    assert fault.hit_call
    product.apply(workspace)
    assert [path.name for path in (workspace / "cache" / "work").iterdir()] == []


@pytest.mark.parametrize(("scenario", "seed"), list(power_cut_cases()))
def test_reported_result_survives_a_power_cut(
    scenario: Scenario,
    seed: int | None,
    disk_kind: str,
    workspace: Path,
    results: list[Row],
    sampling: Sampling,
) -> None:
    select = sampling.selector(0, 2, 1)
    row = sweep_power_cuts(scenario, disk_kind, workspace, select=select, seed=seed)
    results.append(row)
    assert row.run > 0
    assert not row.violations, str(row)
