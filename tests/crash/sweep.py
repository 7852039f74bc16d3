"""Strikes a scene at many points, each from the same state, and collects what was violated."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from . import rows, workers
from .faults import Fault, can_meet
from .rows import Row, Violation
from .scene import Scene, Stage
from .supervisor import run

Choice = Callable[[int], Sequence[int]]
"""Which of ``n`` points to run."""


def every_point(total: int) -> Sequence[int]:
    """All of them."""
    return range(total)


def sample(first: int, last: int, others: int, seed: int = 0) -> Choice:
    """The first and last few and some between, the same ones every time for the same seed."""

    def choose(total: int) -> Sequence[int]:
        ends = {*range(min(first, total)), *range(max(0, total - last), total)}
        between = sorted(set(range(total)) - ends)
        ends.update(random.Random(seed).sample(between, min(others, len(between))))
        return sorted(ends)

    return choose


def sweep(
    scene: Scene, kind: str, folder: Path, *, choose: Choice, fs: str | None, crew: int = 2
) -> Row:
    """Run ``scene`` under fault ``kind`` at the chosen points.

    ``fs`` is the file system to run on (None: the one of ``folder``, set up anew each time).
    """
    stage = Stage(folder, fs)
    own = fs is not None
    counting = workers.spawn(lambda: _count(scene, stage, kind), own_mounts=own)
    total, *without_fault = workers.collect(counting)
    row = Row(scene=scene.name, fault=kind, total=int(total))
    row.violations += [Violation(point=-1, call="no fault", text=text) for text in without_fault]
    points = list(choose(row.total))
    crew = crew if own else 1
    shares = [(str(number), points[number::crew]) for number in range(crew)]
    jobs = [workers.spawn(_share(scene, stage, kind, *share), own_mounts=own) for share in shares]
    for job in jobs:
        for line in workers.collect(job):
            row.run += 1
            row.violations += rows.violations(json.loads(line))
    row.violations.sort(key=lambda violation: violation.point)
    return row


def _count(scene: Scene, stage: Stage, kind: str) -> Iterable[str]:
    """How many points there are, and what the judgement says though nothing was struck."""
    home = stage.home
    stage.prepare(scene)
    with stage.fresh(scene, "log"):
        outcome = run(scene.command(home), roots=scene.roots(home), writes=True)
        if outcome.code not in scene.expected:
            raise AssertionError(f"{scene.name}: the undisturbed run ended with {outcome.code}")
        yield str(sum(can_meet(kind, call) for call in outcome.calls))
        yield from scene.check(home, outcome)


def _share(scene: Scene, stage: Stage, kind: str, name: str, points: Sequence[int]) -> workers.Job:
    def job() -> list[str]:
        found = (strike(scene, stage, kind, point, name) for point in points)
        return [json.dumps([asdict(violation) for violation in one]) for one in found]

    return job


def strike(scene: Scene, stage: Stage, kind: str, point: int, worker: str) -> list[Violation]:
    """One point: the state restored, the fault, the judgement."""
    home = stage.home
    with stage.fresh(scene, worker):
        fault = Fault(kind=kind, at=point)
        outcome = run(scene.command(home), roots=scene.roots(home), decide=fault, writes=True)
        where = str(fault.struck) if fault.struck else "not reached"
        wrong = [f"right after the fault: {seen}" for seen in [scene.look(home)] if seen]
        if outcome.timed_out:
            wrong.append("the command did not end")
        if fault.struck and fault.struck.effect == "flush" and outcome.code == 0 and fault.fails:
            wrong.append("a flush was refused and success reported")
        wrong += scene.check(home, outcome)
    return [Violation(point=point, call=where, text=text) for text in wrong]
