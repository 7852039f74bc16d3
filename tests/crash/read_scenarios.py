"""Scenarios for reads that fail: each command, and the result that it must have."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from . import product, scenarios
from .product import NEW, NEXT, OLD
from .sandbox import Command
from .scenario import Scenario
from .supervisor import Outcome, run

ERROR_CODES: Final = (1, 65, 69, 73, 74, 75, 77, 81)
"""The exit codes of a run that reports a failure. 66 would mean that a file doesn't exist."""
DRIFT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A command that must report an error, or exactly what it reports without a fault."""

    name: str
    argv: Sequence[str]
    setup: Callable[[Path], object]
    venv: str = ""
    expected_exit_codes: Sequence[int] = (0,)
    environment: Callable[[Path], AbstractContextManager[object]] = nullcontext
    roots: Callable[[Path], Sequence[Path]] | None = None

    def scenario(self) -> Scenario:
        """Return the scenario. The report without a fault is saved beside the declaration."""

        def setup(home: Path) -> None:
            product.create_host(home)
            self.setup(home)
            with self.environment(home):
                outcome = run(self._dry_command(home))
            assert outcome.code in self.expected_exit_codes, product.last_output(outcome)
            _expected_file(home).write_text(outcome.stdout)

        scenario = Scenario(
            name=self.name,
            setup=setup,
            command=self._command,
            check=self._check,
            expected_exit_codes=self.expected_exit_codes,
            entries=product.finished_generations,
            output_error=self._output_error,
            environment=self.environment,
        )
        return scenario if self.roots is None else replace(scenario, roots=self.roots)

    def _command(self, home: Path) -> Command:
        verb, *options = self.argv
        return product.command(home, verb, "--json", *options, venv=self.venv)

    def _dry_command(self, home: Path) -> Command:
        """Return the command, without changes."""
        verb, *options = self.argv
        options += ["--dry-run"] if verb == "gc" else []
        return product.command(home, verb, "--json", *options, venv=self.venv)

    def _output_error(self, home: Path, outcome: Outcome) -> str | None:
        if outcome.code not in (0, DRIFT):
            return None if outcome.code in ERROR_CODES else f"exit code {outcome.code}"
        report, expected = json.loads(outcome.stdout), json.loads(_expected_file(home).read_text())
        if outcome.code not in self.expected_exit_codes:
            return f"exit code {outcome.code}, but no error"
        if _is_part_of(report, expected):
            return None
        return f"exit code {outcome.code}, but another report: {outcome.stdout[:300]}"

    def _check(self, home: Path, outcome: Outcome) -> Sequence[str]:
        if "Traceback (most recent call last)" in outcome.stderr:
            return [f"the run ended with a traceback: {product.last_output(outcome)}"]
        with self.environment(home):
            again = run(self._command(home))
        if again.code not in self.expected_exit_codes:
            return [f"the next run exited with {again.code}: {product.last_output(again)}"]
        return []


def _expected_file(home: Path) -> Path:
    return home / "expected.json"


def _is_part_of(report: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Return whether a report is the expected one. One of `gc` may contain less."""
    if "removed" not in report:
        # A notice reports that the record of declared resources can't be read or updated.
        notices = report.get("notices", [])
        report["notices"] = [text for text in notices if not text.startswith("can't ")]
        return report == {"notices": [], **expected}
    return all(
        {*names} <= {*expected[key].get(address, ())}
        for key in ("removed", "unfinished")
        for address, names in report[key].items()
    )


def _three_generations(home: Path) -> None:
    for version in (OLD, NEW, NEXT):
        product.apply(home, version, venv_options="keep = 2")


def _damaged(home: Path) -> None:
    _three_generations(home)
    scenarios.damage(home)


def _pinned_and_used(home: Path) -> None:
    """Leave four generations. The first is pinned, and the second is used by a process."""
    for version in (OLD, NEW, OLD, NEXT):
        options = f'keep = 3\nmode = "{"0750" if product.store(home).exists() else "0755"}"'
        product.apply(home, version, venv_options=options)
    names = sorted(path.name for path in (product.store(home) / "generations").iterdir())
    run_pin = product.command(home, "pin", venv="app")
    outcome = run(replace(run_pin, argv=[*run_pin.argv, names[0]]))
    assert outcome.code == 0, product.last_output(outcome)


@contextmanager
def _used_generation(home: Path) -> Iterator[None]:
    """Run a process from the second generation."""
    root = sorted((product.store(home) / "generations").iterdir())[1]
    argv = [str(root / "bin/python"), "-c", "import sys; print(flush=True); sys.stdin.read()"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield
    finally:
        process.communicate()


@contextmanager
def _held_lock(home: Path) -> Iterator[None]:
    """Hold the lock of the store, as another run does."""
    descriptor = os.open(product.store(home) / "lock", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def locked(name: str, argv: Sequence[str], venv: str = "") -> Scenario:
    """Return the scenario of a command that must not get the lock."""

    def setup(home: Path) -> None:
        product.create_host(home)
        _three_generations(home)
        product.declare(home, OLD, venv_options="keep = 0")

    verb, *options = argv
    return Scenario(
        name=name,
        setup=setup,
        command=lambda home: product.command(
            home, verb, "--lock-timeout", "0", *options, venv=venv
        ),
        check=lambda _home, _outcome: (),
        published_error=lambda home: product.published_error(home, [NEXT]),
        entries=product.finished_generations,
        output_error=lambda _home, outcome: (
            None if outcome.code in ERROR_CODES else f"exit code {outcome.code} without the lock"
        ),
        environment=_held_lock,
        expected_exit_codes=(75,),
    )


def _verbs() -> Iterator[Verb]:
    for verb in ("plan", "check", "status", "verify"):
        yield Verb(name=verb, argv=[verb], setup=_three_generations)
    for verb in ("plan", "check", "status", "verify"):
        codes = (0, DRIFT)
        name = f"{verb} of a damaged venv"
        yield Verb(name=name, argv=[verb], setup=_damaged, expected_exit_codes=codes)
    yield Verb(name="history", argv=["history"], setup=_three_generations, venv="app")
    yield Verb(
        name="gc beside a process",
        argv=["gc", "--keep", "0"],
        setup=_pinned_and_used,
        environment=_used_generation,
    )
    yield Verb(
        name="gc of old generations",
        argv=["gc", "--keep", "0", "--older-than", "30d"],
        setup=_three_generations,
    )
    yield Verb(name="apply without changes", argv=["apply"], setup=_three_generations)


OBSERVING: Final = tuple(verb.scenario() for verb in _verbs())
LOCKED: Final = (
    locked("apply beside another run", ["apply"]),
    locked("gc beside another run", ["gc"]),
    locked("rollback beside another run", ["rollback"], venv="app"),
)
CHANGING: Final = scenarios.SCENARIOS[:-1]
"""The scenarios that also have the other faults, without the recovery from a kill."""
