"""Where a build runs: as which user, in which directories, and without the network."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.errors import ConvergeError, PermissionDenied
from states.installer.user_builds.build import user_dirs
from states.system.subprocesses import User, clean_environment, inherited_by, run
from states.system.users import can_execute, with_groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.interpreter.discovery import Python

_WITHOUT_NETWORK = ("unshare", "--map-current-user", "--net", "--")
"""The beginning of a command line that runs in a new network namespace (unshare(1))."""


def find_build_user(name: str) -> User | None:
    """Return the declared build user, or None if builds run as the current user.

    Raises:
        ConvergeError: The user doesn't exist.
        PermissionDenied: The current user can't switch to it.

    """
    if not name:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ConvergeError(
            f"user doesn't exist: `{name}`", hint="create the user, or change `build-user`"
        ) from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise PermissionDenied(
            f"only root can build as another user: `build-user = {name}`",
            hint=f"run converge as root or as {name}, or remove `build-user`",
        )
    return with_groups(entry.pw_uid, entry.pw_gid)


def require_interpreter(user: User | None, python: Python) -> None:
    """Check that the build user can run an interpreter.

    Raises:
        PermissionDenied: The user can't.

    """
    if user is not None and not can_execute(python.executable, user):
        raise PermissionDenied(
            f"`build-user`: {user.name} can't run `{python.executable}`",
            hint=f"choose an interpreter that {user.name} can run, or another user",
        )


def network_isolation(user: User | None) -> tuple[str, ...]:
    """Return the beginning of a command line without network, or nothing if that isn't possible.

    It needs user namespaces, which some hosts and containers forbid.
    """
    try:
        completed = run(
            [*_WITHOUT_NETWORK, "true"],
            env=clean_environment("/"),
            cwd="/",
            inherit=inherited_by(user),
        )
    except FileNotFoundError:
        return ()
    return _WITHOUT_NETWORK if completed.status == 0 else ()


@contextmanager
def build_dirs(user: User | None, scratch: str) -> Iterator[str]:
    """Yield a directory with `home`, `cache`, and `out`, which the user of a build owns.

    Only the current user can add or replace entries of the directory itself.
    """
    if user is not None:
        with user_dirs(user) as top:
            yield top
        return
    top = tempfile.mkdtemp(prefix="build-", dir=scratch)
    try:
        for name in ("home", "cache", "out"):
            os.mkdir(f"{top}/{name}", 0o700)
        yield top
    finally:
        shutil.rmtree(top, ignore_errors=True)


def give_to(user: User | None, path: str) -> None:
    """Change the owner of a file or a directory tree that only the current user can change."""
    if user is None:
        return
    for parent, directories, files in os.walk(path, onerror=_raise):
        for name in (*directories, *files):
            os.lchown(os.path.join(parent, name), user.uid, user.gid)
    # INVARIANT: last. The user can enter it from here on, and replace a directory by a symlink.
    os.lchown(path, user.uid, user.gid)


def _raise(error: OSError) -> None:
    raise error


def owner_of_builds(user: User | None) -> User:
    """Return the user that owns the result of a build."""
    return user or User("the current user", os.geteuid(), os.getegid())
