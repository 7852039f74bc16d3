"""Whatever becomes of the bytes we remember by, the next run copes."""

from __future__ import annotations

import functools
import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from engine.cli import main
from states.__main__ import compose
from states.verbs import verbs

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


def _cases(home: Path, plan: Plan) -> Iterator[tuple[str, str, int]]:
    """A file, a way to spoil it, and where: at every byte, or at a few of each file."""
    for path in remembered(home):
        name, inside = str(path.relative_to(home)), range(path.stat().st_size)
        most = plan.most if plan.full else 1
        chance = random.Random(hashlib.sha256(path.name.encode()).digest())
        chosen = chance.sample(inside, min(most, len(inside))) if most else inside
        yield name, "missing", 0
        yield from ((name, way, at) for way in WAYS[:3] for at in chosen)


def _all(stage: Stage, scene: Scene, plan: Plan) -> Iterator[str]:
    stage.prepare(scene)
    with stage.fresh(scene, "count"):
        yield str(sum(1 for _ in _cases(stage.home, Plan(full=True))))
        yield from map(json.dumps, _cases(stage.home, plan))


def _spoiled(stage: Stage, scene: Scene, worker: str, cases: Sequence[str]) -> Iterator[str]:
    for name, way, at in map(json.loads, cases):
        with stage.fresh(scene, worker):
            spoil(stage.home / name, way, at)
            for text in Judge()(stage.home, Outcome(code=0)):
                yield f"{at}\t{name} {way} at {at}\t{text}"


def test_any_byte_we_remember_by_may_be_torn_zeroed_or_missing(
    workspace: Path, any_disk: str | None, keep: list[Row], plan: Plan
) -> None:
    scene = Scene(
        name="", setup=_site, command=lambda home: product.command(home, "apply"), check=Judge()
    )
    stage = Stage(workspace, any_disk)
    total, *cases = workers.collect(workers.spawn(lambda: _all(stage, scene, plan)))
    row = Row(scene="remembered bytes", fault="cut, zeroed, flipped, missing", total=int(total))
    crew = 2 if any_disk else 1
    shares = [(str(number), cases[number::crew]) for number in range(crew)]
    jobs = [workers.spawn(functools.partial(_spoiled, stage, scene, *share)) for share in shares]
    for line in (line for job in jobs for line in workers.collect(job)):
        at, where, text = line.split("\t", 2)
        row.violations.append(Violation(point=int(at), call=where, text=text))
    row.run = len(cases)
    keep.append(row)
    assert row.run > 8
    assert not row.violations, str(row)


@pytest.mark.parametrize("way", WAYS[:3])
def test_whichever_byte_is_torn_zeroed_or_flipped_who_looks_copes(
    way: str, workspace: Path, monkeypatch: pytest.MonkeyPatch, keep: list[Row], plan: Plan
) -> None:
    """Within this process, and so at every byte in minutes: it ends in a finding, not in a bug."""
    _site(workspace)
    for name, value in product.environment(workspace).items():
        monkeypatch.setenv(name, value)
    row = Row(scene="remembered bytes, looked at", fault=way, total=0)
    found = 0
    for path in remembered(workspace):
        data = path.read_bytes()
        # To say what should be in place of these would take the installer each time.
        verb = "status" if path.name in ("receipt.json", "pylock.toml") else "check"
        for at in range(0, len(data), 1 if plan.full and not plan.most else 60):
            spoil(path, way, at)
            code = main(compose, verbs(verb), [verb, str(product.file(workspace))])
            found += code == 2
            if code not in (0, 2):
                text = f"{verb} ended with {code}"
                row.violations.append(Violation(point=at, call=path.name, text=text))
            path.write_bytes(data)
            row.run += 1
        row.total += len(data)
    keep.append(row)
    assert 0 < found < row.run
    assert not row.violations, str(row)
