"""Directories for the cache and the state, and the canonical form of a directory's path."""

from __future__ import annotations

import errno
import os
import stat

from engine.errors import PermissionDenied, UsageError
from engine.system.existence import proves_absence, resolve
from engine.system.permissions import untrusted_reason


def absolute(directory: str) -> str:
    """Return the absolute path of a directory, in the one form that identifies its files.

    Symlinks are resolved only if the path contains `..`, which has another meaning after a
    symlink than in the text.
    """
    if ".." in directory.split("/"):
        return resolve(directory)
    return os.path.abspath(directory)


def cache_and_state_dirs() -> tuple[str, str]:
    """Return the directories for the cache and for the state.

    `CONVERGE_CACHE_DIR` and `CONVERGE_STATE_DIR` take precedence. The defaults for root are
    those of the Filesystem Hierarchy Standard. For other users, they are those of the XDG
    Base Directory Specification. The directories need not exist.

    Raises:
        UsageError: A variable contains a relative path.
        PermissionDenied: Another user can write to a directory, and converge would run data
            from it.

    """
    if os.geteuid() == 0:
        cache, state = "/var/cache/converge", "/var/lib/converge"
    else:
        home = os.path.expanduser("~")
        cache = os.path.join(
            os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"), "converge"
        )
        state = os.path.join(
            os.environ.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state"), "converge"
        )
    return _private_dir("CONVERGE_CACHE_DIR", cache), _private_dir("CONVERGE_STATE_DIR", state)


def _private_dir(variable: str, default: str) -> str:
    directory = os.environ.get(variable) or default
    if not os.path.isabs(directory):
        raise UsageError(
            f"`{directory}` is a relative path",
            hint=f"set `{variable}` to an absolute path",
        )
    directory = os.path.normpath(directory)
    try:
        status = os.lstat(directory)
        reason = untrusted_reason(status)
        if not reason and stat.S_ISLNK(status.st_mode):
            reason = untrusted_reason(os.stat(directory))
    except OSError as error:
        if error.errno == errno.EACCES or proves_absence(error):
            return directory  # It is created on the first write, or nothing is read from it.
        raise
    if reason:
        raise PermissionDenied(
            f"unsafe directory `{directory}`: {reason}, and converge runs data from it",
            hint=f"set `{variable}` to a private directory",
        )
    return directory
