"""The user that a child process runs as, if root must not run its program."""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import TYPE_CHECKING

from engine.errors import PermissionDenied
from engine.system.existence import exists, is_directory
from engine.system.program_trust import find_threat, find_threats_in
from states.system.subprocesses import User, clean_environment, inherited_by, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.system.program_trust import Threat

_IS_EXECUTABLE = ("/bin/sh", "-c", '[ -x "$0" ]')


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
    for threat in filter(None, map(find_threat, paths)):
        if threat.uid is None:
            raise PermissionDenied(
                f"unsafe program `{label}`: `{threat.path}` is {threat.reason}, and root would "
                "run it",
                hint=f"run `chmod go-w {threat.path}`, or run the program through `runuser`",
            )
        users[threat.uid] = _owner(threat)
    if len(users) > 1:
        raise PermissionDenied(
            f"unsafe program `{label}`: it and its working directory belong to {_names(users)}",
            hint="set `cwd` to a directory of the same user, or of root",
        )
    return next(iter(users.values()), None)


def user_of_project(directory: str) -> User | None:
    """Return the only user who can change a file of a project, or None if only root can.

    Args:
        directory: The directory of the project.

    Returns:
        The user as whom root has to build the project.

    Raises:
        PermissionDenied: Several users can change a file.
        OSError: A file can't be examined.

    """
    users: dict[int, User] = {}
    for threat in find_threats_in(directory, _is_venv):
        if threat.uid is None:
            raise PermissionDenied(
                f"unsafe project `{directory}`: `{threat.path}` is {threat.reason}, and root "
                "would build it",
                hint=f"run `chmod -R go-w {directory}`, or build a wheel and declare that",
            )
        if threat.uid not in users:
            users[threat.uid] = _owner(threat)
        if len(users) > 1:
            raise PermissionDenied(
                f"unsafe project `{directory}`: its files belong to {_names(users)}",
                hint="give it to one user with `chown -R`, or build a wheel and declare that",
            )
    return next(iter(users.values()), None)


def can_execute(path: str, user: User) -> bool:
    """Ask the kernel whether a user can enter a directory or run a file. ACLs count."""
    try:
        completed = run(
            [*_IS_EXECUTABLE, path],
            env=clean_environment("/"),
            cwd="/",
            inherit=inherited_by(user),
        )
    except (PermissionError, subprocess.SubprocessError):
        return True  # This process can't switch users. The build reports that.
    return completed.status == 0


def _is_venv(directory: str) -> bool:
    """Return whether a directory is a venv, or the store of one. Its owner may differ."""
    return exists(f"{directory}/pyvenv.cfg") or is_directory(f"{directory}/generations")


def _owner(threat: Threat) -> User:
    assert threat.uid is not None
    return with_groups(threat.uid, os.lstat(threat.path).st_gid)


def _names(users: Mapping[int, User]) -> str:
    return " and ".join(sorted(user.name for user in users.values()))
