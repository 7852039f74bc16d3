"""Who runs from a generation: facts from the kernel, no guess by names.

Two sources. The lease: each interpreter started from a generation holds a shared lock
on a file in it (`bare.PIN`), which a fork inherits and which ends with the last process,
also by SIGKILL. And /proc: what a process has open, mapped, as its program, its folder or
its first argument, for what does not run through that interpreter. Linux only.
"""

from __future__ import annotations

import fcntl
import os

from engine.system.files import listdir_or_empty
from states.venv.layout import LEASE


def is_in_use(root: str) -> bool:
    """Return whether a process runs from a generation: by its lease, or by `using_processes`.

    It counts as used if that can't be determined: too many files are open, or the file system is
    NFS, where a lock needs a file that is open for writing.
    """
    if using_processes(root):
        return True
    try:
        lease = os.open(f"{root}/{LEASE}", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lease)
    return False


def using_processes(root: str) -> list[int]:
    """Return the pids of processes that run from a generation; those that we may see."""
    try:
        lease = os.stat(f"{root}/{LEASE}")
    except OSError:
        lease = None  # somebody removed it; what /proc tells is as true as ever
    found = []
    for name in listdir_or_empty("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            process = f"/proc/{name}"
            if _holds(process, lease, f"{root}/") or _refers(process, f"{root}/"):
                found.append(int(name))
    return sorted(found)


def _holds(process: str, lease: os.stat_result | None, inside: str) -> bool:
    """Tell whether a process has the lease, or anything else of the generation, open."""
    for name in listdir_or_empty(f"{process}/fd"):
        try:
            opened = f"{process}/fd/{name}"
            if os.readlink(opened).startswith(inside):
                return True
            if lease and os.path.samestat(os.stat(opened), lease):
                return True
        except OSError:
            continue
    return False


def _refers(process: str, inside: str) -> bool:
    """Tell whether a process was started by a path inside, is in a folder there, or maps a file."""
    within = os.fsencode(inside)
    try:
        with open(f"{process}/cmdline", "rb") as stream:  # first: it shows others' processes, too
            if any(word.startswith(within) for word in stream.read().split(b"\0")[:2]):
                return True
        if f"{os.readlink(f'{process}/cwd')}/".startswith(inside):
            return True
        with open(f"{process}/maps", "rb") as stream:
            return within in stream.read()
    except OSError:
        return False
