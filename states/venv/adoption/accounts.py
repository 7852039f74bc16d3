"""The owner, the group, and the mode that a declaration has to name for an existing venv."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from typing import TYPE_CHECKING

from engine.frozen import frozen
from engine.system.existence import lstat
from engine.system.program_trust import find_threat

if TYPE_CHECKING:
    from collections.abc import Iterable


@frozen
class Access:
    """The values of `owner`, `group`, and `mode`. Each is empty if the default is the same."""

    owner: str = ""
    group: str = ""
    mode: str = ""
    problems: tuple[str, ...] = ()


def access_of(status: os.stat_result) -> Access:
    """Return what to declare, by the status of the directory of a venv."""
    problems = []
    user = _user_name(status.st_uid)
    owner = user if os.geteuid() == 0 and status.st_uid != 0 else ""
    if status.st_uid != os.geteuid() and not owner:
        problems.append(f"it belongs to {user or f'the user ID {status.st_uid}'}, not to you")
    group = _group_name(status.st_gid) if status.st_gid != os.getegid() else ""
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o022:
        problems.append(f"its mode {mode:04o} lets other users replace files; the new mode doesn't")
    is_restricted = not mode & 0o005
    return Access(
        owner, group, f"{0o700 | mode & 0o050:04o}" if is_restricted else "", (*problems,)
    )


def is_trusted(paths: Iterable[str]) -> bool:
    """Return whether only root and the current user can change these paths.

    Raises:
        OSError: A path can't be examined.

    """
    for path in paths:
        status = lstat(path)
        is_own = status is None or status.st_uid in (0, os.geteuid())
        if not is_own or find_threat(path) is not None:
            return False
    return True


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""
