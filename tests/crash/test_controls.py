"""The harness detects the bug of each toy publisher and finds no violation in the correct one."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from . import toy_scenarios
from .calls import SystemCall
from .disks import MKFS
from .faults import FAULTS, LOST_SYNC, READ_FAULTS
from .power_cuts import sweep_power_cuts
from .reader import Reader
from .rows import Record, Row
from .sampling import SWEEP_ONLY, Sampling, Sweeper
from .supervisor import Action, Continue, ProcessTree, run
from .sweep import PointSelector, all_points, sample, sweep

pytestmark = pytest.mark.usefixtures("needs_sandbox")

LOCK_TIMEOUT = 75

SAMPLED_FAULTS = ("kill", "torn", LOST_SYNC, "EIO", "EROFS+", "SIGTERM", "read EIO")
"""The faults of the default run: one of each way to inject a fault."""


def sweep_toy(
    toy: str,
    fault: str,
    directory: Path,
    disk_kind: str | None,
    select: PointSelector = all_points,
) -> Row:
    scenario = toy_scenarios.scenario(toy)
    return sweep(scenario, fault, directory, select=select, disk_kind=disk_kind)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, marks=() if fault in SAMPLED_FAULTS else SWEEP_ONLY)
        for fault in (*FAULTS, *READ_FAULTS)
    ],
)
def test_correct_publisher_survives_every_fault(fault: str, sweeper: Sweeper) -> None:
    scenario = toy_scenarios.scenario("correct")
    sweeper.require_no_violation(sweeper.run(scenario, fault, 1, 2, 3))


def test_correct_publisher_survives_a_kill_of_its_first_run(sweeper: Sweeper) -> None:
    scenario = toy_scenarios.scenario("correct", create=True)
    sweeper.require_no_violation(sweeper.run(scenario, "kill", 1, 2, 3))


@pytest.mark.parametrize("seed", [None, 1])
def test_correct_publisher_survives_every_power_cut(
    seed: int | None, disk_kind: str, workspace: Path, results: list[Row], sampling: Sampling
) -> None:
    scenario = toy_scenarios.scenario("correct")
    select = sampling.selector(1, 3, 2)
    row = sweep_power_cuts(scenario, disk_kind, workspace, select=select, seed=seed)
    results.append(row)
    assert row.run > 0
    assert not row.violations, str(row)


def only(*points: int) -> PointSelector:
    """Select some points: one where a control is known to fail, and some where it doesn't."""
    return lambda total: [point for point in points if point < total]


@pytest.mark.parametrize(
    ("toy", "fault", "select", "call", "text"),
    [
        pytest.param("in_place", "kill", only(0, 3, 6), "write", "incomplete", id="in_place"),
        pytest.param(
            "no_cleanup", "kill", only(0, 4), "generations", "unfinished", id="no_cleanup"
        ),
        pytest.param(
            *("rewrites_receipt", "kill", only(0, 4), "", "the run after that makes a change"),
            id="rewrites_receipt",
        ),
        pytest.param(
            *("ignores_sync_errors", "EIO", all_points, "syncfs"),
            "a sync failed, but the run reported success",
            id="ignores_sync_errors",
        ),
        pytest.param(
            *("unchecked_journal", "torn", all_points, "journal", "the next run exited with 1"),
            id="unchecked_journal",
        ),
    ],
)
def test_sweep_detects_the_bug_of_a_publisher(
    toy: str,
    fault: str,
    select: PointSelector,
    call: str,
    text: str,
    workspace: Path,
    disk_kind_or_none: str | None,
) -> None:
    row = sweep_toy(toy, fault, workspace, disk_kind_or_none, select)
    detected = [
        violation
        for violation in row.violations
        if text in violation.text and call in violation.call
    ]
    assert detected, str(row)


def test_sweep_detects_unlink_then_link_at_exactly_that_call(
    workspace: Path, disk_kind_or_none: str | None
) -> None:
    row = sweep_toy("unlink_then_link", "kill", workspace, disk_kind_or_none)
    assert [violation.call.split()[1] for violation in row.violations] == ["symlink"]
    assert row.violations[0].text == "right after the fault: nothing is published"


def test_power_cut_detects_a_missing_sync(disk_kind: str, workspace: Path) -> None:
    scenario = toy_scenarios.scenario("no_sync")
    row = sweep_power_cuts(scenario, disk_kind, workspace, select=all_points)
    lost = [v for v in row.violations if "reported as done, then lost" in v.text]
    assert lost, str(row)


def test_kill_does_not_detect_a_missing_sync(
    workspace: Path, disk_kind_or_none: str | None
) -> None:
    row = sweep_toy("no_sync", "kill", workspace, disk_kind_or_none, sample(0, 4, 2))
    assert not row.violations, str(row)


def exit_codes_beside_an_orphan(toy: str, home: Path) -> list[int]:
    """Kill a run but not its child, start a second run, and return the second run's exit code."""
    (home / "store" / "generations").mkdir(parents=True)
    exit_codes: list[int] = []

    def decide(call: SystemCall, tree: ProcessTree) -> Action:
        if not exit_codes and tree.is_by_child(call):
            tree.signal_command(9)
            second = toy_scenarios.command(toy, home, toy_scenarios.OLD)
            exit_codes.append(subprocess.run(second.argv, check=False).returncode)
        return Continue()

    first = toy_scenarios.command(toy, home, wait_for_orphans=True)
    run(first, roots=[home / "store"], decide=decide)
    return exit_codes


def test_child_of_a_killed_publisher_excludes_a_second_run(workspace: Path) -> None:
    assert exit_codes_beside_an_orphan("correct", workspace) == [LOCK_TIMEOUT]


def test_lock_that_children_do_not_inherit_is_detected(workspace: Path) -> None:
    assert exit_codes_beside_an_orphan("lock_not_inherited", workspace) == [0]


def read_during_updates(toy: str, home: Path) -> Reader:
    """Run a reader during five updates. Each update pauses at every change of the link."""
    (home / "store" / "generations").mkdir(parents=True)
    assert run(toy_scenarios.command(toy, home, "0")).code == 0
    published = home / "store" / "current" / "a"
    allowed = [f"a of {number}" for number in range(6)]

    def decide(call: SystemCall, _tree: ProcessTree) -> Action:
        if call.paths[-1] == str(home / "store" / "current"):
            time.sleep(0.1)
        return Continue()

    with Reader(published, ["head", "-n", "1", str(published)], allowed) as reader:
        for number in range(1, 6):
            command = toy_scenarios.command(toy, home, str(number))
            assert run(command, roots=[home], decide=decide).code == 0
    return reader


def test_reader_sees_no_error_with_the_correct_publisher(workspace: Path) -> None:
    reader = read_during_updates("correct", workspace)
    assert reader.checks > 5 and reader.program_runs > 0
    assert not reader.errors


def test_reader_detects_a_missing_published_path(workspace: Path) -> None:
    reader = read_during_updates("unlink_then_link", workspace)
    assert reader.errors
    assert all("FileNotFoundError" in text or "No such file" in text for text in reader.errors)


def test_summary_names_an_unsupported_layer() -> None:
    record = Record(skipped={"xfs": "mkfs.xfs isn't installed"})
    assert record.line().endswith("skipped layers: xfs (mkfs.xfs isn't installed)")
    assert "xfs" in MKFS


def test_summary_counts_deselected_sweep_cases() -> None:
    record = Record(deselected=2)
    record.add(Record(deselected=2))
    assert "2 sweep cases deselected" in record.line()
