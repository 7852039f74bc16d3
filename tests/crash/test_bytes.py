"""Whatever becomes of the bytes we remember by, the next run copes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import product, workers
from .judge import Judge
from .plan import Plan
from .product import NEW
from .rows import Row, Violation
from .scene import Scene, Stage
from .supervisor import Outcome

pytestmark = pytest.mark.usefixtures("caged", "runnable")

WAYS = ("cut", "zero", "flip", "missing")


def remembered(home: Path) -> list[Path]:
    """Every file by which something is remembered from one run to the next."""
    notes = product.published(home).resolve() / product.NOTES
    places = [home / "state", home / "cache" / "declarations", notes]
    files = [path for place in places for path in sorted(place.rglob("*")) if path.is_file()]
    return [path for path in files if path.name not in ("lock", "lease")]


def spoil(path: Path, way: str, at: int) -> None:
    """Damage one file as a torn write, a lost block, a bit or a hand may do."""
    data = path.read_bytes()
    if way == "missing":
        path.unlink()
    elif way == "cut":
        path.write_bytes(data[:at])
    elif way == "zero":
        path.write_bytes(data[:at] + bytes(len(data) - at))
    else:
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])


def _site(home: Path) -> None:
    product.lay_out(home)
    product.declare(home, NEW)
    product.apply(home)


def _cases(home: Path, plan: Plan) -> list[tuple[Path, str, int]]:
    cases = []
    for path in remembered(home):
        size = path.stat().st_size
        inside = list(range(size))
        if not plan.full or plan.most:
            seed = int(hashlib.sha256(path.name.encode()).hexdigest()[:8], 16)
            inside = random.Random(seed).sample(inside, min(1, size))
        cases.append((path.relative_to(home), "missing", 0))
        cases += [(path.relative_to(home), way, at) for way in WAYS[:3] for at in inside]
    return cases


def _spoiled(stage: Stage, scene: Scene, plan: Plan) -> Iterator[str]:
    stage.prepare(scene)
    with stage.fresh(scene, "count"):
        cases = _cases(stage.home, plan)
    for path, way, at in cases:
        with stage.fresh(scene, "spoil"):
            spoil(stage.home / path, way, at)
            yield "+"
            for text in Judge()(stage.home, Outcome(code=0)):
                yield f"{at}\t{path} {way} at {at}\t{text}"


def test_any_byte_we_remember_by_may_be_torn_zeroed_or_missing(
    workspace: Path, any_disk: str | None, keep: list[Row], plan: Plan
) -> None:
    scene = Scene(
        name="", setup=_site, command=lambda home: product.command(home, "apply"), check=Judge()
    )
    stage = Stage(workspace, any_disk)
    row = Row(scene="remembered bytes", fault="cut, zeroed, flipped, missing", total=0)
    for line in workers.collect(workers.spawn(lambda: _spoiled(stage, scene, plan))):
        if line == "+":
            row.run += 1
        else:
            at, where, text = line.split("\t", 2)
            row.violations.append(Violation(point=int(at), call=where, text=text))
    row.total = row.run
    keep.append(row)
    assert row.run > 8
    assert not row.violations, str(row)
