"""A process that uses a published path all the time and records each failure.

`Reader` runs this file as a script. The script prints its results when its standard input closes.
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

_PAUSE_S: Final = 0.002
"""Seconds between two checks, because the reader shares the machine with the run under test."""

_EXEC_EVERY: Final = 8
"""One check in this many runs the program. The others only resolve the path."""


@dataclass(slots=True)
class Reader:
    """Checks `path` while the `with` block runs. `argv` must print one of `allowed`."""

    path: Path
    argv: Sequence[str]
    allowed: Sequence[str]
    checks: int = 0
    program_runs: int = 0
    errors: list[str] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Reader:
        arguments = json.dumps([str(self.path), list(self.argv), list(self.allowed)])
        command = [sys.executable, "-I", "-S", __file__, arguments]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        assert self._process is not None
        result = json.loads(self._process.communicate()[0])
        self.checks, self.program_runs = result["checks"], result["program_runs"]
        self.errors = result["errors"]


def path_error(path: str, argv: Sequence[str] | None, allowed: Sequence[str]) -> str | None:
    """Return what is wrong with `path` now, or None. Without `argv`, only resolve the path."""
    try:
        os.stat(path)
        if argv is None:
            return None
        completed = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    output = completed.stdout.strip()
    if completed.returncode == 0 and output in allowed:
        return None
    return f"exit {completed.returncode}, printed {output!r} {completed.stderr.strip()[-300:]}"


def _watch(path: str, argv: Sequence[str], allowed: Sequence[str]) -> dict[str, object]:
    checks = program_runs = 0
    errors: list[str] = []
    existed = False
    while True:
        program_runs += checks % _EXEC_EVERY == 0
        error = path_error(path, None if checks % _EXEC_EVERY else argv, allowed)
        checks += 1
        existed = existed or error is None
        if error is not None and existed:
            errors.append(error)
        if checks == 1:
            print(flush=True)
        if select.select([sys.stdin], [], [], _PAUSE_S)[0]:
            return {"checks": checks, "program_runs": program_runs, "errors": errors}


if __name__ == "__main__":
    print(json.dumps(_watch(*json.loads(sys.argv[1]))))
