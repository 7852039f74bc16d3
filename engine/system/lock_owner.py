"""Describe the processes that hold a lock. The kernel is asked: a stored ID could be stale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.system import processes

if TYPE_CHECKING:
    import os


def describe_owners(file: os.stat_result) -> str:
    """Return the processes that took or inherited a lock on a file, at most three.

    Processes that inherited the lock are looked up only if the one that took it has exited.
    """
    pids = processes.flock_owners(file) or [
        pid for pid in processes.list_pids() if processes.holds_lock(pid, file)
    ]
    if not pids:
        return "a process that isn't visible from here"
    return "; ".join(processes.describe(pid) for pid in pids[:3])
