"""The toys of ``toys/`` as scenes: what is true of a publisher that can be trusted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .cage import Command
from .scene import Scene
from .supervisor import Outcome, run
from .toys import steps

_RUN = "import sys; sys.path.insert(0, sys.argv[1]); __import__('toys.' + sys.argv[2])"
OLD, NEW = "first", "second"


def command(toy: str, home: Path, version: str = NEW, *, linger: bool = False) -> Command:
    """One run of a toy, which is to publish ``version``."""
    argv = [sys.executable, "-I", "-S", "-B", "-c", _RUN, str(Path(__file__).parent), toy]
    return Command(
        argv=[*argv, str(home / "store"), version], writable=[home], linger=linger, cwd=home
    )


def scene(toy: str, *, create: bool = False) -> Scene:
    """The toy publishing the new version, over nothing or over the old one."""

    def setup(home: Path) -> None:
        (home / "store" / "generations").mkdir(parents=True)
        if not create:
            assert run(command(toy, home, OLD)).code == 0

    return Scene(
        name=f"toy {toy}{', create' if create else ''}",
        setup=setup,
        command=lambda home: command(toy, home),
        check=lambda home, outcome: _check(toy, home, outcome),
        look=_look(may_be_absent=create),
        roots=lambda home: [home / "store"],
        done=lambda home: [] if _version(home) == NEW else [f"published is {_version(home)}"],
    )


def _version(home: Path) -> str | None:
    return steps.state(home / "store" / "current")


def _look(*, may_be_absent: bool) -> Callable[[Path], str | None]:
    def look(home: Path) -> str | None:
        current = home / "store" / "current"
        if not os.path.lexists(current):
            return None if may_be_absent else "nothing is published"
        return None if _version(home) in (OLD, NEW) else "what is published is not whole"

    return look


def _check(toy: str, home: Path, outcome: Outcome) -> Sequence[str]:
    wrong = []
    if outcome.code == 0 and _version(home) != NEW:
        wrong.append("success was reported, the new version is not there")
    again = run(command(toy, home))
    if again.code != 0:
        return [*wrong, f"the next run ended with {again.code}"]
    if _version(home) != NEW:
        wrong.append("the next run did not publish a whole new version")
    third = run(command(toy, home), roots=[home / "store"], writes=True)
    wrong += [f"the run after still does {call}" for call in third.calls if call.effect != "touch"]
    entries = sorted(path.name for path in (home / "store").iterdir())
    generations = sorted(path.name for path in (home / "store" / "generations").iterdir())
    if set(entries) - {"current", "generations", "lock"} or len(generations) != 1:
        wrong.append(f"left over: {entries} {generations}")
    return wrong
