"""Check which other user could change a program that root runs, or a directory that it runs in."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from engine.errors import PermissionDenied
from engine.frozen import frozen
from engine.system.existence import lstat
from engine.system.permissions import is_unmapped_user, remedy, traversed_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@frozen
class Threat:
    """A part of a path that users other than root can change."""

    path: str
    reason: str
    uid: int | None
    """The only user who can, or None if several can."""


def find_threat(path: str) -> Threat | None:
    """Return the first part of a path that another user could change, or None.

    Users other than root run only their own programs with their own rights, so nothing is checked
    for them. A group that only root is in may write: Debian lets the group `staff`
    write to `/usr/local`.

    Raises:
        OSError: A part of the path can't be examined.

    """
    if os.geteuid() != 0:
        return None
    for part in sorted(traversed_parts(path)):
        status = lstat(part)
        threat = _threat(part, status) if status is not None else None
        if threat is not None:
            return threat
    return None


def find_threats_in(directory: str, is_skipped: Callable[[str], bool]) -> Iterator[Threat]:
    """Yield what another user could change: the path of a directory, and entries below it.

    Args:
        directory: The directory.
        is_skipped: Returns whether the content of a directory below it doesn't count.

    Yields:
        Each part.

    Raises:
        OSError: An entry can't be examined.

    """
    if os.geteuid() != 0:
        return
    pending = [directory]
    while pending:
        path = pending.pop()
        status = lstat(path)
        # The path of the directory may contain symlinks, and a symlink may leave the directory.
        is_outside = path == directory or (status is not None and stat.S_ISLNK(status.st_mode))
        threat = find_threat(path) if is_outside else None
        if threat is None and status is not None:
            threat = _threat(path, status)
        if threat is not None:
            yield threat
        if status is not None and stat.S_ISDIR(status.st_mode) and not is_skipped(path):
            pending += [entry.path for entry in os.scandir(path)]


def require_trusted_program(path: str, purpose: str) -> None:
    """Require, for root, that no other user can change a program.

    Args:
        path: The program.
        purpose: Why root runs it, as the end of the message.

    Raises:
        PermissionDenied: Another user could run code as root.

    """
    threat = find_threat(path)
    if threat is not None:
        status = os.lstat(threat.path)
        raise PermissionDenied(
            f"unsafe program `{path}`: `{threat.path}` is {threat.reason}, and {purpose}",
            hint=f"{remedy(threat.path, status)}, or choose a program that belongs to root",
        )


def _threat(path: str, status: os.stat_result) -> Threat | None:
    if status.st_uid != 0 and not is_unmapped_user(status.st_uid):
        return Threat(path, f"owned by uid {status.st_uid}", status.st_uid)
    is_sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if stat.S_ISLNK(status.st_mode) or is_sticky:
        return None
    if status.st_mode & 0o002:
        return Threat(path, "writable by other users", None)
    if status.st_mode & 0o020 and _has_members(status.st_gid):
        return Threat(path, f"writable by gid {status.st_gid}", None)
    return None


def _has_members(gid: int) -> bool:
    """Return whether a user other than root is a member of a group."""
    # Imported here: most programs are writable by root only.
    import grp
    import pwd

    if gid == 0:
        return False
    try:
        members = {name for name in grp.getgrgid(gid).gr_mem if name != "root"}
    except KeyError:
        members = set()
    return bool(members) or any(user.pw_gid == gid and user.pw_uid != 0 for user in pwd.getpwall())
