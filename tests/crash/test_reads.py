"""A read that fails never makes a run delete, skip a lock, or report success."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from . import read_scenarios, toy_scenarios, workers
from .faults import READ_FAULTS
from .sampling import SWEEP_ONLY, Sweeper
from .scenario import Scenario
from .soak import Soak
from .sweep import sweep

pytestmark = pytest.mark.usefixtures("needs_sandbox", "needs_converge")

SCENARIOS = (*read_scenarios.OBSERVING, *read_scenarios.LOCKED, *read_scenarios.CHANGING)
SAMPLED = {
    ("gc beside a process", "read EIO"),
    ("apply beside another run", "read EACCES"),
    ("update", "read EIO"),
}
"""The scenarios and faults of the default run."""


def cases() -> Iterable[object]:
    """Return each scenario with each fault. Mark the cases that only the full sweep runs."""
    for scenario in SCENARIOS:
        for fault in READ_FAULTS:
            marks = () if (scenario.name, fault) in SAMPLED else (SWEEP_ONLY,)
            yield pytest.param(scenario, fault, id=f"{scenario.name}-{fault}", marks=marks)


def test_sampled_cases_exist() -> None:
    """After a rename, the default run would otherwise test fewer cases."""
    names = {scenario.name for scenario in SCENARIOS}
    assert all(name in names and fault in READ_FAULTS for name, fault in SAMPLED)


@pytest.mark.parametrize(("scenario", "fault"), list(cases()))
def test_failing_read_loses_nothing(scenario: Scenario, fault: str, sweeper: Sweeper) -> None:
    sweeper.require_no_violation(sweeper.run(scenario, fault, 0, 1, 4))


def last_third(total: int) -> Sequence[int]:
    """Select the points in which the control publishes, and then deletes what isn't live."""
    return range(total * 7 // 10, total)


def test_sweep_detects_an_error_that_counts_as_an_absence(
    workspace: Path, disk_kind_or_none: str | None
) -> None:
    scenario = toy_scenarios.scenario("swallows_read_errors")
    row = sweep(scenario, "read EACCES", workspace, select=last_third, disk_kind=disk_kind_or_none)
    (call,) = {violation.call for violation in row.violations}
    assert "readlink" in call, str(row)
    texts = {violation.text for violation in row.violations}
    assert "right after the fault: the published generation is incomplete" in texts


def test_soak_finds_no_violation(workspace: Path) -> None:
    """Many runs at once, under random kills and stops."""
    soak = Soak(home=workspace, seed=12, seconds=10)
    lines = workers.collect(workers.spawn_isolated(soak.lines, workspace))
    assert "0 violations" in lines, "\n".join(lines)
