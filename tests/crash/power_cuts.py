"""Power cuts: copy the disk at each system call, then mount and check each copy.

A copy lacks the page cache, and mounting it replays the journal. A journaling file system orders
its own metadata. So this method detects data that wasn't synced, but not a missing directory sync.
"""

from __future__ import annotations

import json
import os
import random
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import rows, sandbox, workers
from .calls import SystemCall
from .disks import Disk, snapshot_disk, write_counters
from .rows import Row, Violation
from .scenario import PreparedState, Scenario
from .supervisor import Action, Continue, Outcome, ProcessTree, run
from .sweep import PointSelector


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of the disk at one instant."""

    disk: Disk
    call: str
    """The first system call before which the disk was in this state."""
    reported: bool
    """Whether the command had already reported success."""


@dataclass(slots=True)
class SnapshotRecorder:
    """Copies the disk at each call if anything was written to it since the last copy."""

    disk: Disk
    device: str
    home: Path
    rng: random.Random | None
    """If set, sync some random files first. The kernel might also write them early."""
    snapshots: list[Snapshot] = field(default_factory=list)
    last_counters: str = ""

    def __call__(self, call: SystemCall, _tree: ProcessTree) -> Action:
        """Take a snapshot before `call`."""
        if self.rng is not None and self.rng.random() < 0.2:
            _sync_some_files(self.home, self.rng)
        self.take(str(call), reported=False)
        return Continue()

    def take(self, call: str, *, reported: bool) -> None:
        """Take a snapshot now."""
        counters = write_counters(self.device)
        if counters == self.last_counters and not reported:
            return
        target = self.disk.image.with_name(f"snapshot-{len(self.snapshots)}")
        copy = snapshot_disk(self.disk, self.device, target)
        self.snapshots.append(Snapshot(copy, call, reported))
        self.last_counters = counters


def sweep_power_cuts(
    scenario: Scenario,
    disk_kind: str,
    directory: Path,
    *,
    select: PointSelector,
    seed: int | None = None,
) -> Row:
    """Cut the power at every call of `scenario` and check the selected snapshots.

    Args:
        scenario: The scenario to run.
        disk_kind: File system to run on.
        directory: An empty directory for disk images.
        select: Selects the snapshots to check.
        seed: If set, sync random files early. The same seed selects the same files.
    """
    fault = f"power cut, {disk_kind}" + ("" if seed is None else ", some files synced early")
    row = Row(scenario=scenario.name, fault=fault, total=0, layer=rows.POWER_CUTS)
    state = PreparedState(directory, disk_kind)
    handle = workers.spawn(lambda: _record_and_check(scenario, state, select, seed))
    for line in workers.collect(handle):
        result = json.loads(line)
        row.total = result["total"]
        row.run += 1
        row.violations += rows.parse_violations(result["violations"])
    return row


def _record_and_check(
    scenario: Scenario, state: PreparedState, select: PointSelector, seed: int | None
) -> Iterable[str]:
    state.prepare(scenario)
    rng = None if seed is None else random.Random(seed)
    with state.restored(scenario, "recorded") as restored:
        assert restored is not None
        recorder = SnapshotRecorder(*restored, state.home, rng)
        roots = scenario.roots(state.home)
        outcome = run(scenario.command(state.home), roots=roots, decide=recorder, writes=True)
        recorder.take("the end", reported=outcome.code == 0)
    snapshots = recorder.snapshots
    selected = set(select(len(snapshots)))
    for number, snapshot in enumerate(snapshots):
        if number in selected:
            outcome_then = outcome if snapshot.reported else Outcome(killed=True)
            violations = _check(scenario, state, number, snapshot, outcome_then)
            yield json.dumps({"total": len(snapshots), "violations": [*map(asdict, violations)]})
        snapshot.disk.image.unlink()


def _check(
    scenario: Scenario, state: PreparedState, number: int, snapshot: Snapshot, outcome: Outcome
) -> Iterable[Violation]:
    home = state.home
    boot_id = home.parent / "boot_id"
    boot_id.write_text(f"{uuid.uuid4()}\n")
    sandbox.BOOT_ID_FILE.set(boot_id)
    with snapshot.disk.mounted(home):
        error = scenario.published_error(home)
        violations = [f"after the power cut: {error}"] if error else []
        if snapshot.reported:
            missing = scenario.missing_result(home)
            violations += [f"reported as done, then lost: {text}" for text in missing]
        violations += scenario.check(home, outcome)
    return [Violation(point=number, call=snapshot.call, text=text) for text in violations]


def _sync_some_files(home: Path, rng: random.Random) -> None:
    files = sorted(p for p in home.rglob("*") if p.is_file() and not p.is_symlink())
    for file in rng.sample(files, min(3, len(files))):
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
