"""Facts about other processes, read from `/proc` (proc(5)).

Without `/proc`, as in some chroots, no process is found. Without root, converge sees the open
files of the current user's processes only. A no-op run doesn't import this module.
"""

from __future__ import annotations

import errno
import os
import pwd
import time
from pathlib import Path

from engine.system.existence import listdir_or_empty

_HIDDEN_ERRNOS = (errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EPERM)
"""Errors for a process that has ended, and for one of another user."""


def list_pids() -> list[int]:
    """Return the IDs of all visible processes except this one."""
    pids = [int(name) for name in listdir_or_empty("/proc") if name.isdigit()]
    return [pid for pid in pids if pid != os.getpid()]


def flock_owners(file: os.stat_result) -> list[int]:
    """Return the visible processes that took a flock on a file, without those that inherited it.

    A line of /proc/locks is `N: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE …`.
    """
    inode = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    pids = []
    for line in _read_lines("/proc/locks"):
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == inode:
            pid = int(fields[4])
            if pid > 0 and Path(f"/proc/{pid}").exists():
                pids.append(pid)
    return pids


def has_open(pid: int, file: os.stat_result) -> bool:
    """Return whether a process has a file open, even if the file was unlinked."""
    for descriptor in _descriptors(pid):
        try:
            if os.path.samestat(os.stat(f"/proc/{pid}/fd/{descriptor}"), file):
                return True
        except OSError:
            continue  # The file was closed meanwhile, or its file system is unreachable.
    return False


def uses_directory(pid: int, directory: str) -> bool:
    """Return whether a process uses a directory or anything in it.

    That is: an open file, its program or first argument, its working directory, or a mapped
    file. `/proc` contains canonical paths, except for the arguments.

    Raises:
        OSError: The answer isn't known, for example because too many files are open.

    """
    return _has_open_below(pid, f"{directory}/") or _refers_to(pid, f"{directory}/")


def _has_open_below(pid: int, prefix: str) -> bool:
    for descriptor in _descriptors(pid):
        try:
            if os.readlink(f"/proc/{pid}/fd/{descriptor}").startswith(prefix):
                return True
        except OSError as error:
            if error.errno not in _HIDDEN_ERRNOS:
                raise
    return False


def _descriptors(pid: int) -> list[str]:
    """Return the open descriptors of a process, as far as the current user may see them."""
    try:
        return os.listdir(f"/proc/{pid}/fd")
    except OSError as error:
        if error.errno in _HIDDEN_ERRNOS:
            return []
        raise


def _refers_to(pid: int, prefix: str) -> bool:
    encoded = os.fsencode(prefix)
    try:
        # First `cmdline`: it is readable for the processes of other users too.
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if any(argument.startswith(encoded) for argument in file.read().split(b"\0")[:2]):
                return True
        if f"{os.readlink(f'/proc/{pid}/cwd')}/".startswith(prefix):
            return True
        with open(f"/proc/{pid}/maps", "rb") as file:
            return encoded in file.read()
    except OSError as error:
        if error.errno in _HIDDEN_ERRNOS:
            return False
        raise


def describe(pid: int) -> str:
    """Return the ID, user, start time, and command line of a process."""
    directory = Path(f"/proc/{pid}")
    try:
        uid = directory.stat().st_uid
        command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(_start_time(directory)))
    except (OSError, ValueError, IndexError):
        return f"pid {pid}"
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return f"pid {pid} of {user} since {started} (`{command.strip()[:120]}`)"


def _start_time(directory: Path) -> float:
    """Return the start time of a process in seconds since the epoch.

    The 22nd field of its `stat` contains it in clock ticks since boot. The second field, a
    name in parentheses, may contain anything. The timestamps of the directory don't help:
    they are those of the first lookup.
    """
    fields = (directory / "stat").read_text(errors="replace").rpartition(")")[2].split()
    (boot,) = (int(line[6:]) for line in _read_lines("/proc/stat") if line.startswith("btime "))
    return boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _read_lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
