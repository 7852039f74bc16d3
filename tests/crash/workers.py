"""Forked processes that have their own mount namespace and return lines of text."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

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


def spawn_isolated(job: Job, writable: Path) -> tuple[int, int]:
    """Start `job` where every process that it starts ends with it, and only a directory is writable."""

    def first_process() -> Iterable[str]:
        sandbox.mount_proc()
        return job()

    def isolated() -> Iterable[str]:
        sandbox.isolate([writable])
        # The next child is the first process of the new namespace: the others end with it.
        return collect(spawn(first_process, own_mounts=False))

    return spawn(isolated, own_mounts=False)


def collect(handle: tuple[int, int]) -> list[str]:
    """Wait for a job and return its lines. Raises AssertionError with the job's traceback."""
    pid, read_end = handle
    with os.fdopen(read_end) as pipe:
        lines = pipe.read().splitlines()
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
        raise AssertionError("a worker failed:\n" + "\n".join(lines))
    return lines
