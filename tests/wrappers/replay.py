"""The table, replayed through one caller on a disk of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.wrappers import meddling
from tests.wrappers.callers.caller import Caller, Place
from tests.wrappers.table import Case, Scenario, Table, Told, scenarios
from tests.wrappers.world import PYTHON, World

Traces = dict[str, tuple[int, int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """All that was told and done by one caller."""

    root: Path
    foretold: Mapping[str, Told]
    real: Mapping[str, Told]
    again: Mapping[str, Told]
    written_by_the_dry_run: frozenset[str]


def rows() -> list[Scenario]:
    """Return the scenarios that this user may run."""
    return [row for row in scenarios() if row.needs != "root" or os.geteuid() == 0]


def replay(caller: Caller, plain: Place, world: World, root: Path) -> Replay:
    """Bring the disk to where each scenario starts, then foretell, do, and do again."""
    _begin(plain, world, root)
    cases = [_case(row, world, root) for row in rows()]
    before = _traces(root)
    foretold = caller.run(cases, dry=True)
    after = _traces(root)
    return Replay(
        root=root,
        foretold=foretold,
        real=caller.run(cases, dry=False),
        again=caller.run(cases, dry=False),
        written_by_the_dry_run=frozenset(
            path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
        ),
    )


def _begin(plain: Place, world: World, root: Path) -> None:
    """Make every first environment in one run of the plain command, and let things happen."""
    root.mkdir(parents=True)
    first = {row.id: row.first for row in rows() if row.first is not None}
    venvs = {key: _complete(key, table, world, root) for key, table in first.items()}
    words = [plain.engine, "apply", "-", "--json", "--quiet"]
    done = plain.run(words, give=json.dumps({"venv": venvs}))
    errors = [one["error"] for one in json.loads(done.stdout)["resources"] if one["error"]]
    assert not errors, errors
    for row in rows():
        if row.meddling:
            getattr(meddling, row.meddling)(root / row.id)


def _case(row: Scenario, world: World, root: Path) -> Case:
    table = _complete(row.id, row.then, world, root)
    secrets = world.fill(dict(row.secrets), root)
    assert isinstance(secrets, dict)
    return Case(id=row.id, declaration={"venv": {row.id: table}}, secrets=secrets)


def _complete(key: str, table: Table, world: World, root: Path) -> Table:
    """Return the table with what every environment has in common."""
    common: Table = {"path": str(root / key)}
    if table.get("state") != "absent":
        common |= {"python": PYTHON, "find-links": ["{wheels}"], "no-index": True}
    filled = world.fill(common | table, root)
    assert isinstance(filled, dict)
    return {name: value for name, value in filled.items() if value != []} | (
        {"packages": []} if table.get("packages") == [] else {}
    )


def _traces(root: Path) -> Traces:
    """Return what a write below `root` would leave behind: times and sizes of all there is."""
    return {str(path): (now.st_mtime_ns, now.st_size) for path, now in _statuses(root)}


def _statuses(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = Path(folder, name)
            yield path, path.lstat()


def installed(venv: Path) -> dict[str, str]:
    """Return the versions of what is on the disk, by the folders' own names."""
    if not venv.exists():
        return {}
    names = [path.name.removesuffix(".dist-info") for path in venv.resolve().rglob("*.dist-info")]
    return {name.lower(): version for name, _, version in (one.partition("-") for one in names)}


def imports(venv: Path, module: str) -> str:
    """Return a module's version as the environment's own interpreter sees it."""
    say = f"import {module}; print({module}.__version__)"
    words = [venv / "bin" / "python", "-I", "-c", say]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
