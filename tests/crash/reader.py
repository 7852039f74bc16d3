"""A process that uses a published path all the time and notes each time it was broken.

Run as a script by ``Reader``; it prints its findings when its standard input is closed.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

_PAUSE: Final = 0.002
"""Seconds between two looks: the machine is shared with what is being looked at."""

_EXEC_EVERY: Final = 8
"""One look in so many also runs the program; the others only resolve the path."""


@dataclass(slots=True)
class Reader:
    """Looks at ``path`` while the block runs; ``argv`` must print one of ``allowed``."""

    path: Path
    argv: Sequence[str]
    allowed: Sequence[str]
    looks: int = 0
    runs: int = 0
    broken: list[str] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Reader:
        spec = json.dumps([str(self.path), list(self.argv), list(self.allowed)])
        script = [sys.executable, "-I", "-S", __file__, spec]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(script, text=True, stdin=pipe, stdout=pipe)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _problem: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        told = json.loads(self._process.communicate()[0])
        self.looks, self.runs, self.broken = told["looks"], told["runs"], told["broken"]


def look(path: str, argv: Sequence[str] | None, allowed: Sequence[str]) -> str | None:
    """What is wrong with ``path`` now, or None; without ``argv`` only whether it resolves."""
    try:
        os.stat(path)
        if argv is None:
            return None
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError as problem:
        return f"{type(problem).__name__}: {problem}"
    told = done.stdout.strip()
    if done.returncode == 0 and told in allowed:
        return None
    return f"exit {done.returncode}, printed {told!r} {done.stderr.strip()[-300:]}"


def _watch(path: str, argv: Sequence[str], allowed: Sequence[str]) -> dict[str, object]:
    looks = runs = 0
    broken: list[str] = []
    existed = False
    while True:
        runs += looks % _EXEC_EVERY == 0
        wrong = look(path, None if looks % _EXEC_EVERY else argv, allowed)
        looks += 1
        existed = existed or wrong is None
        if wrong is not None and existed:
            broken.append(wrong)
        if looks == 1:
            print(flush=True)
        if select.select([sys.stdin], [], [], _PAUSE)[0]:
            return {"looks": looks, "runs": runs, "broken": broken}


if __name__ == "__main__":
    print(json.dumps(_watch(*json.loads(sys.argv[1]))))
