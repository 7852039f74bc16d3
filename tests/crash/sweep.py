"""Strikes a scene at many points, each from the same state, and collects what was violated."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from . import rows, workers
from .faults import Fault, can_meet
from .rows import Row, Violation
from .scene import Scene, Stage
from .supervisor import Outcome, run
from .traces import Stats, stats, traces

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
    scene: Scene,
    kind: str,
    folder: Path,
    *,
    choose: Choice,
    fs: str | None,
    layers: bool = False,
    crew: int = 2,
) -> Row:
    """Run ``scene`` under fault ``kind`` at the chosen points.

    ``fs`` is the file system to run on (None: the one of ``folder``, set up anew each time);
    with ``layers``, what the scene starts from lies in a layer below.
    """
    stage = Stage(folder, fs, layers)
    own = fs is not None
    counting = workers.spawn(lambda: _count(scene, stage, kind), own_mounts=own)
    total, *without_fault = workers.collect(counting)
    row = Row(scene=scene.name, fault=kind, total=int(total))
    row.violations += [Violation(point=-1, call="no fault", text=text) for text in without_fault]
    points = list(choose(row.total))
    crew = crew if own else 1
    shares = [(str(number), points[number::crew]) for number in range(crew)]
    (stage.folder / "known").mkdir()
    jobs = [workers.spawn(_share(scene, stage, kind, *share), own_mounts=own) for share in shares]
    for line in (line for job in jobs for line in workers.collect(job)):
        told = json.loads(line)
        row.run += 1
        row.judged += told["judged"]
        row.violations += rows.violations(told["violations"])
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
    known = stage.folder / "known"

    def job() -> Iterable[str]:
        with stage.fresh(scene, name):
            judge = _Judge(scene, stage.home, known, stats(stage.home))
        for point in points:
            with stage.fresh(scene, name):
                found = _strike(scene, stage.home, kind, point, judge)
            yield json.dumps({"judged": judge.anew, "violations": list(map(asdict, found))})

    return job


@dataclass(slots=True)
class _Judge:
    """The scene's own judgement, made once of each state that a struck run leaves."""

    scene: Scene
    home: Path
    known: Path
    """A folder that the crew has in common: a file for each state."""
    before: Stats
    anew: bool = True
    """Whether nobody had seen the last state before."""

    def __call__(self, outcome: Outcome) -> Sequence[str]:
        end = [traces(self.home, self.before), outcome.code, outcome.killed]
        end.append("Traceback" in outcome.stderr)
        file = self.known / "-".join(map(str, end))
        self.anew = not file.exists()
        if self.anew:
            wrong = json.dumps([*self.scene.check(self.home, outcome)])
            file.with_suffix(f".{os.getpid()}").write_text(wrong)
            file.with_suffix(f".{os.getpid()}").rename(file)
        return list(json.loads(file.read_text()))


def _hushed_up(fault: Fault, outcome: Outcome) -> bool:
    """Whether a flush was refused, and the run neither failed nor told of it in a note."""
    if not fault.error or not fault.struck or fault.struck.effect != "flush":
        return False
    told = os.strerror(fault.error).lower() in (outcome.stdout + outcome.stderr).lower()
    return outcome.code == 0 and not told


def _strike(scene: Scene, home: Path, kind: str, point: int, judge: _Judge) -> list[Violation]:
    """One point: the fault, and the judgement."""
    fault = Fault(kind=kind, at=point)
    outcome = run(scene.command(home), roots=scene.roots(home), decide=fault, writes=True)
    where = str(fault.struck) if fault.struck else "not reached"
    wrong = [f"right after the fault: {seen}" for seen in [scene.look(home)] if seen]
    if outcome.timed_out:
        wrong.append("the command did not end")
    if _hushed_up(fault, outcome):
        wrong.append("a flush was refused and success reported")
    wrong += judge(outcome)
    return [Violation(point=point, call=where, text=text) for text in wrong]
