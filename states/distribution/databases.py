"""The files in which package managers record what is installed.

A run that changes nothing compares only the metadata of these files.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from engine.system.existence import is_file, status

if TYPE_CHECKING:
    from typing import TypeAlias

    Stats: TypeAlias = dict[str, list[int]]
    """Size, mtime, ctime, and inode of each existing file."""

DPKG_STATUS = "/var/lib/dpkg/status"
DPKG_UPDATES = "/var/lib/dpkg/updates"
"""Entries that an interrupted run of dpkg has written, and the next one merges."""
DPKG_ARCH = "/var/lib/dpkg/arch"
"""The architectures of the host, the native one first. Exists if there are several."""
APK = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")
_RPM_DIRS = ("/usr/lib/sysimage/rpm", "/var/lib/rpm", "/usr/share/rpm")
RPM = tuple(
    f"{directory}/{name}"
    for directory in _RPM_DIRS
    for name in ("rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages")
)
_FILES = {"dpkg": (DPKG_STATUS,), "apk": APK, "rpm": RPM}
_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
_FAMILIES = {
    **dict.fromkeys(("debian", "ubuntu"), "dpkg"),
    **dict.fromkeys(("alpine", "postmarketos"), "apk"),
    **dict.fromkeys(("fedora", "rhel", "centos", "suse", "opensuse", "sles"), "rpm"),
}


def database_stats() -> Stats:
    """Return the metadata of all databases of this host.

    Raises:
        OSError: The answer isn't known.

    """
    stats: Stats = {}
    for path in (DPKG_STATUS, DPKG_UPDATES, DPKG_ARCH, *APK, *RPM):
        entry = status(path)
        # A query of rpm leaves an empty log (https://sqlite.org/wal.html).
        if entry is not None and (entry.st_size or stat.S_ISDIR(entry.st_mode)):
            stats[path] = [entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns, entry.st_ino]
    return stats


def find_manager(stats: Stats) -> str:
    """Return the package manager of this host: `dpkg`, `apk`, `rpm`, or an empty string.

    A host can have the tools of other distributions, so os-release(5) decides first.
    """
    existing = [name for name, files in _FILES.items() if not stats.keys().isdisjoint(files)]
    for family in _families():
        manager = _FAMILIES.get(family.partition("-")[0], "")
        if manager in existing:
            return manager
    return existing[0] if existing else ""


def _families() -> list[str]:
    """Return the distribution, and those that it derives from."""
    path = next((path for path in _OS_RELEASE if is_file(path)), os.devnull)
    with open(path, encoding="utf-8", errors="replace") as stream:
        fields = dict(line.strip().split("=", 1) for line in stream if "=" in line)
    values = (fields.get(name, "").strip("\"'") for name in ("ID", "ID_LIKE"))
    return " ".join(values).split()
