"""The user that a child process runs as, if root must not run its program."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from engine.errors import PermissionDenied
from engine.system.program_trust import find_threat
from states.system.subprocesses import User

if TYPE_CHECKING:
    from collections.abc import Iterable


def with_groups(uid: int, gid: int) -> User:
    """Return a user with all of their groups. One without a name has only the given group."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return User(f"uid {uid}", uid, gid)
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return User(entry.pw_name, uid, entry.pw_gid, tuple(groups))


def home_of(user: User) -> str:
    """Return the home directory of a user, or `/` for one without."""
    try:
        return pwd.getpwuid(user.uid).pw_dir or "/"
    except KeyError:
        return "/"


def user_of_paths(paths: Iterable[str], label: str) -> User | None:
    """Return the only user who can change one of these paths, or None if only root can.

    Args:
        paths: A program and its working directory.
        label: The program in messages.

    Returns:
        The user as whom root has to run the program.

    Raises:
        PermissionDenied: Several users can change a path.
        OSError: A path can't be examined.

    """
    users: dict[int, User] = {}
    for path in paths:
        threat = find_threat(path)
        if threat is None:
            continue
        if threat.uid is None:
            raise PermissionDenied(
                f"unsafe program `{label}`: `{threat.path}` is {threat.reason}, and root would "
                "run it",
                hint=f"run `chmod go-w {threat.path}`, or run the program through `runuser`",
            )
        users[threat.uid] = with_groups(threat.uid, os.lstat(threat.path).st_gid)
    if len(users) > 1:
        names = " and ".join(sorted(user.name for user in users.values()))
        raise PermissionDenied(
            f"unsafe program `{label}`: it and its working directory belong to {names}",
            hint="set `cwd` to a directory of the same user, or of root",
        )
    return next(iter(users.values()), None)
