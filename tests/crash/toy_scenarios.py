"""The toy publishers in `toys/` as scenarios, with a check of what a correct publisher ensures."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .sandbox import Command
from .scenario import Scenario
from .supervisor import Outcome, run
from .toys.publisher import intact_version

_RUN = """\
import runpy, sys
sys.path.insert(0, sys.argv[1])
runpy.run_module(f"toys.{sys.argv[2]}", run_name="__main__")
"""
OLD, NEW = "first", "second"


def command(toy: str, home: Path, version: str = NEW, *, wait_for_orphans: bool = False) -> Command:
    """Return the command that runs a toy to publish `version`."""
    argv = [sys.executable, "-I", "-S", "-B", "-c", _RUN, str(Path(__file__).parent), toy]
    return Command(
        argv=[*argv, str(home / "store"), version],
        writable=[home],
        wait_for_orphans=wait_for_orphans,
        cwd=home,
    )


def scenario(toy: str, *, create: bool = False) -> Scenario:
    """Return the scenario in which a toy updates the old version or publishes the first one."""

    def setup(home: Path) -> None:
        (home / "store" / "generations").mkdir(parents=True)
        if not create:
            assert run(command(toy, home, OLD)).code == 0

    def missing_result(home: Path) -> Sequence[str]:
        version = _published_version(home)
        return [] if version == NEW else [f"the published version is {version}"]

    return Scenario(
        name=f"toy {toy}{', create' if create else ''}",
        setup=setup,
        command=lambda home: command(toy, home),
        check=lambda home, outcome: _check(toy, home, outcome),
        published_error=_published_error(may_be_absent=create),
        roots=lambda home: [home / "store"],
        missing_result=missing_result,
    )


def _published_version(home: Path) -> str | None:
    return intact_version(home / "store" / "current")


def _published_error(*, may_be_absent: bool) -> Callable[[Path], str | None]:
    def published_error(home: Path) -> str | None:
        if not os.path.lexists(home / "store" / "current"):
            return None if may_be_absent else "nothing is published"
        if _published_version(home) in (OLD, NEW):
            return None
        return "the published generation is incomplete"

    return published_error


def _check(toy: str, home: Path, outcome: Outcome) -> Sequence[str]:
    violations = []
    if outcome.code == 0 and _published_version(home) != NEW:
        violations.append("reported success, but the new version isn't published")
    second = run(command(toy, home))
    if second.code != 0:
        return [*violations, f"the next run exited with {second.code}"]
    if _published_version(home) != NEW:
        violations.append("the next run didn't publish a complete new version")
    third = run(command(toy, home), roots=[home / "store"], writes=True)
    changes = [call for call in third.calls if call.effect != "noop"]
    violations += [f"the run after that makes a change: {call}" for call in changes]
    entries = sorted(path.name for path in (home / "store").iterdir())
    generations = sorted(path.name for path in (home / "store" / "generations").iterdir())
    if set(entries) - {"current", "generations", "lock"} or len(generations) != 1:
        violations.append(f"unfinished: {entries} {generations}")
    return violations
