"""Facts about other processes, read from `/proc` (proc(5)).

Without `/proc`, as in some chroots, no process is found. Without root, converge sees the open
files of the current user's processes only. A no-op run doesn't import this module.

A file of another process can be on a file system whose server doesn't answer. So no function
opens or examines such a file: `/proc` names it without asking its file system.
"""

from __future__ import annotations

import errno
import os
import pwd
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine.system.existence import listdir_or_empty

if TYPE_CHECKING:
    from collections.abc import Sequence

_HIDDEN_ERRNOS = (errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EPERM)
"""Errors for a process that has ended, and for one of another user."""
_ATTEMPTS = 3
_RETRY_S = 0.02
"""Seconds between two looks at the state of a process."""


def list_pids() -> list[int]:
    """Return the IDs of all visible processes except this one."""
    pids = [int(name) for name in listdir_or_empty("/proc") if name.isdigit()]
    return [pid for pid in pids if pid != os.getpid()]


def flock_owners(file: os.stat_result) -> list[int]:
    """Return the visible processes that took a flock on a file, without those that inherited it.

    A line of /proc/locks is `N: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE …`.
    """
    inode = _inode(file)
    pids = []
    for line in _read("/proc/locks").decode().splitlines():
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == inode:
            pid = int(fields[4])
            if pid > 0 and Path(f"/proc/{pid}").exists():
                pids.append(pid)
    return pids


def find_stuck(pids: Sequence[int]) -> set[int]:
    """Return the processes that wait in the kernel, for example for a server that doesn't answer.

    Such a process can hold the lock of its memory map. Reading `cmdline`, `maps`, or `environ`
    then also waits. A process that only waits for a disk is soon found in another state.
    """
    waiting = set(pids)
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_RETRY_S)
        waiting = {pid for pid in waiting if _is_waiting(pid)}
        if not waiting:
            break
    return waiting


def _is_waiting(pid: int) -> bool:
    """Return whether a thread is in the state D, the third field of its `stat`."""
    for thread in _list(f"/proc/{pid}/task"):
        status = _read(f"/proc/{pid}/task/{thread}/stat")
        if status.rpartition(b") ")[2][:1] == b"D":
            return True
    return False


def holds_lock(pid: int, file: os.stat_result) -> bool:
    """Return whether a process took or inherited a flock on a file, and has it open."""
    suffix = f" {_inode(file)} ".encode()
    return any(
        line.startswith(b"lock:") and b" FLOCK " in line and suffix in line
        for descriptor in _list(f"/proc/{pid}/fdinfo")
        for line in _read(f"/proc/{pid}/fdinfo/{descriptor}").splitlines()
    )


def maps_file(pid: int, file: os.stat_result) -> bool:
    """Return whether a process has mapped a file, at any path.

    A line of `maps` is `ADDRESS PERMISSIONS OFFSET MAJOR:MINOR INODE PATH`.
    """
    major, minor, inode = _inode(file).split(":")
    return f" {major}:{minor} {inode} ".encode() in _read(f"/proc/{pid}/maps")


def opens_directory(pid: int, directory: str) -> bool:
    """Return whether a process has a file of a directory open, runs it, or works in there.

    `/proc` contains canonical paths.
    """
    prefix = f"{directory}/"
    descriptors = (f"fd/{name}" for name in _list(f"/proc/{pid}/fd"))
    return any(
        f"{_read_link(f'/proc/{pid}/{name}')}/".startswith(prefix)
        for name in ("exe", "cwd", *descriptors)
    )


def refers_to_directory(pid: int, directory: str) -> bool:
    """Return whether a process mapped a file of a directory, or was started with its path.

    The path is that of the program or its first argument, or part of an environment variable
    such as PYTHONPATH. Don't call this for a process that is stuck.
    """
    prefix = os.fsencode(f"{directory}/")
    # `cmdline` is also readable for the processes of other users.
    arguments = _read(f"/proc/{pid}/cmdline").split(b"\0")[:2]
    return any(argument.startswith(prefix) for argument in arguments) or any(
        prefix in _read(f"/proc/{pid}/{name}") for name in ("maps", "environ")
    )


def has_variable(pid: int, variable: str) -> bool:
    """Return whether a process was started with a variable `NAME=VALUE` in its environment."""
    return os.fsencode(variable) in _read(f"/proc/{pid}/environ").split(b"\0")


def name_of(pid: int) -> str:
    """Return the name of a process as ps(1) shows it, or an empty string if it has ended."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def kill(pid: int) -> None:
    """Send SIGKILL to a process. It can have ended, or belong to another user."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def describe_lock_owners(file: os.stat_result) -> str:
    """Return the processes that took or inherited a lock on a file, at most three.

    The kernel is asked: a stored ID could be stale. Processes that inherited the lock are looked
    up only if the one that took it has exited.
    """
    pids = flock_owners(file) or [pid for pid in list_pids() if holds_lock(pid, file)]
    if not pids:
        return "a process that isn't visible from here"
    return "; ".join(describe(pid) for pid in pids[:3])


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
    (boot,) = (
        int(line[6:]) for line in _read("/proc/stat").splitlines() if line.startswith(b"btime ")
    )
    return boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _inode(file: os.stat_result) -> str:
    """Return a file as the kernel prints it in lists of locks."""
    return f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"


def _read(path: str) -> bytes:
    """Return the content of a file in `/proc`. Empty if the process has ended or is hidden.

    Raises:
        OSError: The file can't be read for another reason, such as too many open files.

    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        if error.errno not in _HIDDEN_ERRNOS:
            raise
        return b""


def _list(directory: str) -> list[str]:
    """Return the names in a directory of `/proc`. Errors as for `_read`."""
    try:
        return os.listdir(directory)
    except OSError as error:
        if error.errno not in _HIDDEN_ERRNOS:
            raise
        return []


def _read_link(path: str) -> str:
    """Return the target of a symlink in `/proc`. Errors as for `_read`.

    The kernel can't print a path of more than 4,096 bytes. converge creates no such path.
    """
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno not in (*_HIDDEN_ERRNOS, errno.ENAMETOOLONG):
            raise
        return ""
