"""Forked processes that have their own mount namespace and return lines of text."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable

from . import sandbox

Job = Callable[[], Iterable[str]]


def spawn(job: Job, *, own_mounts: bool = True) -> tuple[int, int]:
    """Start `job` in a child process and return the handle to pass to `collect`."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child:
        os.close(write_end)
        return child, read_end
    status = 1
    try:
        os.close(read_end)
        if own_mounts:
            sandbox.unshare_mounts()
        lines = list(job())
        status = 0
    except BaseException:
        lines = traceback.format_exc().splitlines()
    with os.fdopen(write_end, "w") as pipe:
        pipe.write("\n".join(lines))
    os._exit(status)


def collect(handle: tuple[int, int]) -> list[str]:
    """Wait for a job and return its lines. Raises AssertionError with the job's traceback."""
    pid, read_end = handle
    with os.fdopen(read_end) as pipe:
        lines = pipe.read().splitlines()
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
        raise AssertionError("a worker failed:\n" + "\n".join(lines))
    return lines
