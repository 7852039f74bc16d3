"""Power cuts: the disk as it is at each system call, mounted afterwards and judged.

The page cache is lost, the journal is replayed. A journaling file system orders its own metadata,
so a forgotten flush of a folder alone cannot be seen this way; forgotten data is.
"""

from __future__ import annotations

import json
import os
import random
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import cage, rows, workers
from .calls import Call
from .disks import Disk, activity, still_copy
from .rows import Row, Violation
from .scene import Scene, Stage
from .supervisor import Answer, Go, Outcome, Tree, run
from .sweep import Choice


@dataclass(frozen=True, slots=True)
class Cut:
    """A disk at one instant: first at which call it was so, and what had been promised."""

    disk: Disk
    call: str
    reported: bool
    """The command had already ended with success."""


@dataclass(slots=True)
class Camera:
    """Copies the disk at each call, if anything was written to it since the last copy."""

    disk: Disk
    device: str
    home: Path
    dice: random.Random | None
    """If given, some files are flushed at random first: other histories that are as legal."""
    cuts: list[Cut] = field(default_factory=list)
    seen: str = ""

    def __call__(self, call: Call, _tree: Tree) -> Answer:
        """Take the picture before ``call``."""
        if self.dice is not None and self.dice.random() < 0.2:
            _flush_some(self.home, self.dice)
        self.take(str(call), reported=False)
        return Go()

    def take(self, call: str, *, reported: bool) -> None:
        """A picture now."""
        now = activity(self.device)
        if now == self.seen and not reported:
            return
        target = self.disk.image.with_name(f"cut-{len(self.cuts)}")
        self.cuts.append(Cut(still_copy(self.disk, self.device, target), call, reported))
        self.seen = now


def power(scene: Scene, kind: str, folder: Path, *, choose: Choice, seed: int | None = None) -> Row:
    """Cut the power at every call of ``scene`` on a file system of ``kind``; judge the chosen."""
    fault = f"power cut, {kind}" + ("" if seed is None else ", some files flushed early")
    row = Row(scene=scene.name, fault=fault, total=0, layer="images")
    stage = Stage(folder, kind)
    for line in workers.collect(workers.spawn(lambda: _film(scene, stage, choose, seed))):
        told = json.loads(line)
        row.total = told["total"]
        row.run += 1
        row.violations += rows.violations(told["violations"])
    return row


def _film(scene: Scene, stage: Stage, choose: Choice, seed: int | None) -> Iterable[str]:
    stage.prepare(scene)
    dice = None if seed is None else random.Random(seed)
    with stage.fresh(scene, "film") as given:
        assert given is not None
        camera = Camera(*given, stage.home, dice)
        roots = scene.roots(stage.home)
        outcome = run(scene.command(stage.home), roots=roots, decide=camera, writes=True)
        camera.take("the end", reported=outcome.code == 0)
    chosen = set(choose(len(camera.cuts)))
    for number, cut in enumerate(camera.cuts):
        if number in chosen:
            known = outcome if cut.reported else Outcome(killed=True)
            found = [asdict(one) for one in _judge(scene, stage, number, cut, known)]
            yield json.dumps({"total": len(camera.cuts), "violations": found})
        cut.disk.image.unlink()


def _judge(
    scene: Scene, stage: Stage, number: int, cut: Cut, outcome: Outcome
) -> Iterable[Violation]:
    home = stage.home
    boot = home.parent / "boot_id"
    boot.write_text(f"{uuid.uuid4()}\n")
    cage.BOOT.set(boot)
    with cut.disk.mounted(home):
        wrong = [f"after the power cut: {seen}" for seen in [scene.look(home)] if seen]
        if cut.reported:
            wrong += [f"reported as done, then lost: {text}" for text in scene.done(home)]
        wrong += scene.check(home, outcome)
    return [Violation(point=number, call=cut.call, text=text) for text in wrong]


def _flush_some(home: Path, dice: random.Random) -> None:
    files = sorted(p for p in home.rglob("*") if p.is_file() and not p.is_symlink())
    for file in dice.sample(files, min(3, len(files))):
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
