"""Who runs from a generation: facts from the kernel, no guess by names.

Two sources. The lease: each interpreter started from a generation holds a shared lock
on a file in it (`bare.PIN`), which a fork inherits and which ends with the last process,
also by SIGKILL. And /proc: what a process has open, mapped, as its program, its folder or
its first argument, for what does not run through that interpreter. Linux only.
"""

from __future__ import annotations

import os

from states.venv.store import LEASE


def processes(root: str) -> list[int]:
    """Return the pids of processes that run from a generation; those that we may see."""
    try:
        lease = os.stat(f"{root}/{LEASE}")
    except OSError:
        return []
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            process = f"/proc/{name}"
            if _holds(process, lease) or _refers(process, f"{root}/"):
                found.append(int(name))
    return sorted(found)


def _holds(process: str, lease: os.stat_result) -> bool:
    try:
        for name in os.listdir(f"{process}/fd"):
            try:
                if os.path.samestat(os.stat(f"{process}/fd/{name}"), lease):
                    return True
            except OSError:
                continue
    except OSError:
        pass
    return False


def _refers(process: str, inside: str) -> bool:
    """Tell whether a process has something of the generation mapped, or was started by its path."""
    try:
        with open(f"{process}/maps", "rb") as stream:
            if os.fsencode(inside) in stream.read():
                return True
        with open(f"{process}/cmdline", "rb") as stream:
            first = stream.read().split(b"\0")[:2]
        return any(word.startswith(os.fsencode(inside)) for word in first)
    except OSError:
        return False
