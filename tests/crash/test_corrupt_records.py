"""After any corruption of converge's own records, the next run works."""

from __future__ import annotations

import functools
import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from engine.cli.main import main
from states.__main__ import COMMANDS, build_registry

from . import product, workers
from .checker import Checker
from .product import NEW
from .rows import Row, Violation
from .sampling import Sampling
from .scenario import PreparedState, Scenario
from .supervisor import Outcome

pytestmark = pytest.mark.usefixtures("needs_sandbox", "needs_converge")

CORRUPTIONS = ("truncated", "zeroed", "flipped", "deleted")


def record_files(home: Path) -> list[Path]:
    """Return every file in which converge keeps information between runs."""
    metadata = product.published(home).resolve() / product.METADATA_DIR
    directories = [home / "state", home / "cache" / "declarations", metadata]
    paths = [path for directory in directories for path in sorted(directory.rglob("*"))]
    return [path for path in paths if path.is_file() and path.name not in ("lock", "lease")]


def corrupt(path: Path, corruption: str, at: int) -> None:
    """Corrupt a file as a torn write, a lost block, a bit error, or a user might.

    Args:
        path: File to corrupt.
        corruption: One of `CORRUPTIONS`.
        at: Offset of the corruption in bytes.
    """
    data = path.read_bytes()
    if corruption == "deleted":
        path.unlink()
    elif corruption == "truncated":
        path.write_bytes(data[:at])
    elif corruption == "zeroed":
        path.write_bytes(data[:at] + bytes(len(data) - at))
    else:
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])


def _create_applied_host(home: Path) -> None:
    product.create_host(home)
    product.declare(home, NEW)
    product.apply(home)


def _cases(home: Path, sampling: Sampling) -> Iterator[tuple[str, str, int]]:
    """Yield a file, a corruption, and an offset: every byte, or a sample of each file."""
    for path in record_files(home):
        name, offsets = str(path.relative_to(home)), range(path.stat().st_size)
        max_points = sampling.max_points if sampling.full else 1
        rng = random.Random(hashlib.sha256(path.name.encode()).digest())
        selected = rng.sample(offsets, min(max_points, len(offsets))) if max_points else offsets
        yield name, "deleted", 0
        yield from ((name, corruption, at) for corruption in CORRUPTIONS[:3] for at in selected)


def _list_cases(state: PreparedState, scenario: Scenario, sampling: Sampling) -> Iterator[str]:
    """Yield the number of all cases, then the selected cases as JSON."""
    state.prepare(scenario)
    with state.restored(scenario, "count"):
        yield str(sum(1 for _ in _cases(state.home, Sampling(full=True))))
        yield from map(json.dumps, _cases(state.home, sampling))


def _check_cases(
    state: PreparedState, scenario: Scenario, worker: str, cases: Sequence[str]
) -> Iterator[str]:
    for name, corruption, at in map(json.loads, cases):
        with state.restored(scenario, worker):
            corrupt(state.home / name, corruption, at)
            for text in Checker()(state.home, Outcome(code=0)):
                yield f"{at}\t{name} {corruption} at {at}\t{text}"


def test_apply_works_after_corruption_of_any_record(
    workspace: Path, disk_kind_or_none: str | None, results: list[Row], sampling: Sampling
) -> None:
    scenario = Scenario(
        name="",
        setup=_create_applied_host,
        command=lambda home: product.command(home, "apply"),
        check=Checker(),
    )
    state = PreparedState(workspace, disk_kind_or_none)
    handle = workers.spawn(lambda: _list_cases(state, scenario, sampling))
    total, *cases = workers.collect(handle)
    row = Row(scenario="corrupt records", fault=", ".join(CORRUPTIONS), total=int(total))
    worker_count = 2 if disk_kind_or_none else 1
    handles = [
        workers.spawn(
            functools.partial(
                _check_cases, state, scenario, str(number), cases[number::worker_count]
            )
        )
        for number in range(worker_count)
    ]
    for line in (line for handle in handles for line in workers.collect(handle)):
        at, call, text = line.split("\t", 2)
        row.violations.append(Violation(point=int(at), call=call, text=text))
    row.run = len(cases)
    results.append(row)
    assert row.run > 8
    assert not row.violations, str(row)


@pytest.mark.parametrize("corruption", CORRUPTIONS[:3])
def test_read_only_commands_report_a_corrupt_record(
    corruption: str,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    results: list[Row],
    sampling: Sampling,
) -> None:
    """Run the command in this process, so that a full sweep of every byte takes minutes."""
    _create_applied_host(workspace)
    for name, value in product.environment(workspace).items():
        monkeypatch.setenv(name, value)
    row = Row(scenario="corrupt records, read-only commands", fault=corruption, total=0)
    findings = 0
    for path in record_files(workspace):
        data = path.read_bytes()
        # Without one of these records, `check` would run uv each time.
        verb = "status" if path.name in ("receipt.json", "pylock.toml") else "check"
        for at in range(0, len(data), 1 if sampling.full and not sampling.max_points else 60):
            corrupt(path, corruption, at)
            exit_code = main(build_registry, COMMANDS, [verb, str(product.declaration(workspace))])
            findings += exit_code == 2
            if exit_code not in (0, 2):
                text = f"{verb} exited with {exit_code}"
                row.violations.append(Violation(point=at, call=path.name, text=text))
            path.write_bytes(data)
            row.run += 1
        row.total += len(data)
    results.append(row)
    assert 0 < findings < row.run
    assert not row.violations, str(row)
