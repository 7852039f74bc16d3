"""Forked processes with mounts of their own, each returning lines of text."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable

from . import cage

Job = Callable[[], Iterable[str]]


def spawn(job: Job, *, own_mounts: bool = True) -> tuple[int, int]:
    """Start ``job``; returns what ``collect`` wants."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    status = 1
    try:
        os.close(reading)
        if own_mounts:
            cage.private_mounts()
        lines = list(job())
        status = 0
    except BaseException:
        lines = traceback.format_exc().splitlines()
    with os.fdopen(writing, "w") as pipe:
        pipe.write("\n".join(lines))
    os._exit(status)


def collect(child: tuple[int, int]) -> list[str]:
    """The lines of a job, once it has ended. Raises AssertionError with its traceback."""
    pid, reading = child
    with os.fdopen(reading) as pipe:
        lines = pipe.read().splitlines()
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
        raise AssertionError("a worker failed:\n" + "\n".join(lines))
    return lines
