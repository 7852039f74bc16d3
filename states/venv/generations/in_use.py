"""Find the processes that run from a generation, from facts of the kernel.

There are two sources. The lease is a file in the generation. Each interpreter that imports from
the generation maps it, and holds a shared lock on it (`build.startup_hook`). A forked process
inherits both. They end with the last process, even after SIGKILL, but not if a daemon closes its
descriptors. The other source is `/proc`: it names the process, and also shows processes that use
the generation without its interpreter.
"""

from __future__ import annotations

import time

from engine.system import processes
from engine.system.existence import status
from engine.system.lock import FileLock
from states.venv.layout import LEASE

_END_TIMEOUT_S = 5.0
"""Seconds until a process that doesn't end is left alone. It waits in the kernel."""


def is_in_use(root: str) -> bool:
    """Return whether a process runs from a generation: by its lease, or by `using_processes`.

    It counts as used if that can't be determined: too many files are open, or the file system is
    NFS, where a lock needs a file that is open for writing.
    """
    try:
        if using_processes(root):
            return True
        lease = FileLock(f"{root}/{LEASE}")
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    with lease:
        try:
            return not lease.try_acquire()
        except OSError:
            return True


def using_processes(root: str) -> list[int]:
    """Return the IDs of visible processes that run from a generation, in ascending order.

    Raises:
        OSError: The answer isn't known.

    """
    lease = status(f"{root}/{LEASE}")  # None if it was deleted. `/proc` still helps.
    pids = processes.list_pids()
    stuck = processes.find_stuck(pids)
    return sorted(
        pid
        for pid in pids
        if processes.opens_directory(pid, root)
        or (pid not in stuck and processes.refers_to_directory(pid, root))
        or (lease and processes.holds_lock(pid, lease))
        or (lease and pid not in stuck and processes.maps_file(pid, lease))
    )


def end_processes(root: str) -> None:
    """Kill the processes that smoke tests of a new generation left running.

    They are those whose environment names the generation as their venv, and those that hold its
    lease. No other process runs from a generation that wasn't published. A process that has
    neither holds nothing that converge or a later run needs.
    """
    lease = status(f"{root}/{LEASE}")
    deadline = time.monotonic() + _END_TIMEOUT_S
    while time.monotonic() < deadline:
        pids = processes.list_pids()
        pids = sorted(set(pids) - processes.find_stuck(pids))
        remaining = [
            pid
            for pid in pids
            if processes.has_variable(pid, f"VIRTUAL_ENV={root}")
            or (lease and processes.maps_file(pid, lease))
        ]
        if not remaining:
            break
        for pid in remaining:
            processes.kill(pid)
