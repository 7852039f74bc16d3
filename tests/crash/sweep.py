"""Inject a fault at many points of a scenario, each from the same state, and check each result."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from . import rows, workers
from .faults import Fault, can_hit, is_read_fault
from .rows import Row, Violation
from .scenario import PreparedState, Scenario
from .state_digest import StatTree, digest_tree, stat_tree
from .supervisor import Outcome, run

PointSelector = Callable[[int], Sequence[int]]
"""Return which of `n` points to run."""


def all_points(total: int) -> Sequence[int]:
    """Select every point."""
    return range(total)


def sample(first: int, last: int, others: int, seed: int = 0) -> PointSelector:
    """Return a selector of the first and last points and of some random points between them.

    Args:
        first: Number of points at the beginning.
        last: Number of points at the end.
        others: Number of random points between them.
        seed: The same seed selects the same points in every run.
    """

    def select(total: int) -> Sequence[int]:
        selected = {*range(min(first, total)), *range(max(0, total - last), total)}
        between = sorted(set(range(total)) - selected)
        selected.update(random.Random(seed).sample(between, min(others, len(between))))
        return sorted(selected)

    return select


def sweep(
    scenario: Scenario,
    fault: str,
    directory: Path,
    *,
    select: PointSelector,
    disk_kind: str | None,
    layers: bool = False,
    worker_count: int = 2,
) -> Row:
    """Run `scenario` with a fault at each selected point and return the result.

    Args:
        scenario: The scenario to run.
        fault: A name from `faults.FAULTS`.
        directory: An empty directory for disk images and other files.
        select: Selects the points.
        disk_kind: File system to run on. None uses the one of `directory` and repeats the setup.
        layers: Whether the initial state is a read-only layer below an overlay.
        worker_count: Number of parallel workers. A sweep without `disk_kind` uses one.
    """
    state = PreparedState(directory, disk_kind, layers)
    own_mounts = disk_kind is not None
    counter = workers.spawn(lambda: _count_points(scenario, state, fault), own_mounts=own_mounts)
    total, kept, *without_fault = workers.collect(counter)
    layer = rows.READS if is_read_fault(fault) else rows.SYSTEM_CALLS
    row = Row(scenario=scenario.name, fault=fault, total=int(total), layer=layer)
    row.violations += [
        Violation(point=rows.NO_FAULT, call="no fault", text=text) for text in without_fault
    ]
    points = list(select(row.total))
    worker_count = worker_count if own_mounts else 1
    (state.directory / "checked").mkdir()
    handles = [
        workers.spawn(
            _worker_job(
                _Injection(scenario, state, fault, frozenset(json.loads(kept))),
                str(number),
                points[number::worker_count],
            ),
            own_mounts=own_mounts,
        )
        for number in range(worker_count)
    ]
    for line in (line for handle in handles for line in workers.collect(handle)):
        result = json.loads(line)
        row.run += 1
        row.checked += result["checked"]
        row.violations += rows.parse_violations(result["violations"])
    row.violations.sort(key=lambda violation: violation.point)
    return row


def _count_points(scenario: Scenario, state: PreparedState, fault: str) -> Iterable[str]:
    """Yield the number of points, the entries that stay, and violations without any fault."""
    home = state.home
    state.prepare(scenario)
    with state.restored(scenario, "log"):
        before = {*scenario.entries(home)}
        with scenario.environment(home):
            outcome = run(
                scenario.command(home),
                roots=scenario.roots(home),
                writes=not is_read_fault(fault),
                reads=is_read_fault(fault),
            )
        if outcome.code not in scenario.expected_exit_codes:
            raise AssertionError(f"{scenario.name}: the run without a fault exited {outcome.code}")
        yield str(sum(can_hit(fault, call) and scenario.counts(call) for call in outcome.calls))
        yield json.dumps(sorted(before.intersection(scenario.entries(home))))
        yield from scenario.check(home, outcome)


@dataclass(frozen=True, slots=True)
class _Injection:
    """The input that all points of a sweep share."""

    scenario: Scenario
    state: PreparedState
    kind: str
    kept: frozenset[str]
    """The entries that a run without a fault doesn't delete."""


def _worker_job(injection: _Injection, name: str, points: Sequence[int]) -> workers.Job:
    scenario, state = injection.scenario, injection.state
    checked_states = state.directory / "checked"

    def job() -> Iterable[str]:
        with state.restored(scenario, name):
            checker = _CachedChecker(scenario, state.home, checked_states, stat_tree(state.home))
        for point in points:
            with state.restored(scenario, name):
                violations = _inject(injection, point, checker)
            result = {"checked": checker.is_new, "violations": list(map(asdict, violations))}
            yield json.dumps(result)

    return job


@dataclass(slots=True)
class _CachedChecker:
    """Run the scenario's check once for each distinct state that an interrupted run leaves."""

    scenario: Scenario
    home: Path
    checked_states: Path
    """A directory that all workers share, with a file for each state."""
    before: StatTree
    is_new: bool = True
    """Whether the last state was checked for the first time."""

    def __call__(self, outcome: Outcome) -> Sequence[str]:
        digest = digest_tree(self.home, self.before)
        key = [digest, outcome.code, outcome.killed, "Traceback" in outcome.stderr]
        file = self.checked_states / "-".join(map(str, key))
        self.is_new = not file.exists()
        if self.is_new:
            violations = json.dumps([*self.scenario.check(self.home, outcome)])
            file.with_suffix(f".{os.getpid()}").write_text(violations)
            file.with_suffix(f".{os.getpid()}").rename(file)
        return list(json.loads(file.read_text()))


def _hides_sync_error(fault: Fault, outcome: Outcome) -> bool:
    """Return whether a sync failed and the run neither failed nor reported the error."""
    if not fault.error or not fault.hit_call or fault.hit_call.effect != "sync":
        return False
    output = (outcome.stdout + outcome.stderr).lower()
    return outcome.code == 0 and os.strerror(fault.error).lower() not in output


def _inject(injection: _Injection, point: int, checker: _CachedChecker) -> list[Violation]:
    """Run the command with a fault at one point, and return the violations."""
    scenario, home = injection.scenario, injection.state.home
    fault = Fault(kind=injection.kind, at=point, counts=scenario.counts)
    reads = is_read_fault(fault.kind)
    with scenario.environment(home):
        outcome = run(
            scenario.command(home),
            roots=scenario.roots(home),
            decide=fault,
            writes=not reads,
            reads=reads,
        )
    call = str(fault.hit_call) if fault.hit_call else "not reached"
    error = scenario.published_error(home)
    violations = [f"right after the fault: {error}"] if error else []
    if outcome.timed_out:
        violations.append("the command timed out")
    deleted = injection.kept.difference(scenario.entries(home))
    if deleted:
        violations.append(f"deleted, though a run without a fault keeps it: {sorted(deleted)}")
    error = scenario.output_error(home, outcome)
    if error:
        violations.append(error)
    if _hides_sync_error(fault, outcome):
        violations.append("a sync failed, but the run reported success")
    violations += checker(outcome)
    return [Violation(point=point, call=call, text=text) for text in violations]
