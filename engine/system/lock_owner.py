"""Who holds a lock: asked of the kernel, since a note could be stale. Linux only."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

from engine.system.files import listdir_or_empty


def describe_process(locked: os.stat_result) -> str:
    """Name the processes that hold or inherited a lock on the file with this stat."""
    pids = lock_owners(locked) or _openers(locked)
    if not pids:
        return "a process that cannot be seen from here"
    return "; ".join(_person(pid) for pid in pids[:3])


def lock_owners(locked: os.stat_result) -> list[int]:
    """Return the processes that took a lock, of those that we see; not who inherited it.

    /proc/locks (see proc(5)) has `N: FLOCK ADVISORY WRITE pid major:minor:inode …`.
    """
    wanted = f"{os.major(locked.st_dev):02x}:{os.minor(locked.st_dev):02x}:{locked.st_ino}"
    pids = []
    for line in _lines("/proc/locks"):
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == wanted:
            pid = int(fields[4])
            if pid > 0 and Path(f"/proc/{pid}").exists():
                pids.append(pid)
    return pids


def _openers(locked: os.stat_result) -> list[int]:
    """Find who inherited the lock after the one who took it has died."""
    return [pid for pid in _pids() if pid != os.getpid() and _has_open(pid, locked)]


def _pids() -> list[int]:
    """Return the processes that are seen from here; none in a chroot without /proc."""
    return [int(name) for name in listdir_or_empty("/proc") if name.isdigit()]


def _has_open(pid: int, locked: os.stat_result) -> bool:
    try:
        opened = [entry.stat() for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any(os.path.samestat(one, locked) for one in opened)


def _person(pid: int) -> str:
    process = Path(f"/proc/{pid}")
    try:
        uid = process.stat().st_uid
        command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(_started(process)))
    except (OSError, ValueError, IndexError):
        return f"pid {pid}"
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return f"pid {pid} of {user} since {since} (`{command.strip()[:120]}`)"


def _started(process: Path) -> float:
    """Return when a process was started, in seconds since the epoch.

    By proc(5): in clock ticks after the boot, the 22nd field of its `stat`, of which the second,
    a name in brackets, may hold anything. The times of its folder tell who first looked at it.
    """
    ticks = int((process / "stat").read_text(errors="replace").rpartition(")")[2].split()[19])
    (boot,) = (int(line[6:]) for line in _lines("/proc/stat") if line.startswith("btime "))
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
