"""Whether something exists, and what it is. A failing read isn't an absence.

The functions of `os.path` return False, and `os.path.realpath` returns the path itself, if a read
fails: after an I/O error, without permission, or with too many open files. A run that treats this
as an absence deletes existing files, or skips a lock. These functions raise instead. A test
forbids the others (`tests/unit/test_failing_reads.py`).
"""

from __future__ import annotations

import errno
import os
import stat

MISSING_ERRNOS = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
"""Errors that prove that no entry exists at a path. For example, its parent is a file."""
NOT_REGULAR_ERRNOS = (errno.EINVAL, errno.ENXIO, errno.EISDIR)
"""Errors that prove, with `MISSING_ERRNOS`, that no regular file exists at a path."""
MAX_SYMLINKS = 40
"""The limit of the kernel, as in path_resolution(7)."""


def proves_absence(error: OSError) -> bool:
    """Return whether an error proves that a path names nothing."""
    return error.errno in MISSING_ERRNOS


def proves_no_file(error: OSError) -> bool:
    """Return whether an error of `read_regular_file` proves that there is no such file."""
    return error.errno in MISSING_ERRNOS or error.errno in NOT_REGULAR_ERRNOS


def lstat(path: str) -> os.stat_result | None:
    """Return the status of an entry, or None if it doesn't exist. A symlink isn't followed.

    Raises:
        OSError: The answer isn't known.

    """
    return status(path, follow_symlinks=False)


def status(path: str, *, follow_symlinks: bool = True) -> os.stat_result | None:
    """Return the status of the file that a path resolves to, or None if there is none.

    Raises:
        OSError: The answer isn't known.

    """
    try:
        return os.stat(path, follow_symlinks=follow_symlinks)
    except OSError as error:
        if proves_absence(error):
            return None
        raise


def entry_exists(path: str) -> bool:
    """Return whether a directory entry exists. A symlink isn't followed. Raises as `lstat`."""
    return lstat(path) is not None


def exists(path: str) -> bool:
    """Return whether a path resolves to a file of any kind. Raises as `status`."""
    return status(path) is not None


def nearest_existing(path: str) -> str:
    """Return a path if its entry exists, or else its nearest parent. Raises as `lstat`."""
    while not entry_exists(path):
        path = os.path.dirname(path)
    return path


def is_directory(path: str) -> bool:
    """Return whether a path resolves to a directory. Raises as `status`."""
    target = status(path)
    return target is not None and stat.S_ISDIR(target.st_mode)


def is_file(path: str) -> bool:
    """Return whether a path resolves to a regular file. Raises as `status`."""
    target = status(path)
    return target is not None and stat.S_ISREG(target.st_mode)


def is_symlink(path: str) -> bool:
    """Return whether an entry is a symlink. Raises as `lstat`."""
    entry = lstat(path)
    return entry is not None and stat.S_ISLNK(entry.st_mode)


def read_link(path: str) -> str:
    """Return the target of a symlink, or an empty string if there is no symlink.

    Raises:
        OSError: The answer isn't known.

    """
    try:
        return os.readlink(path)
    except OSError as error:
        if proves_absence(error) or error.errno == errno.EINVAL:
            return ""
        raise


def listdir_or_empty(directory: str) -> list[str]:
    """Return the names in a directory, or an empty list if there is no directory.

    Raises:
        OSError: The directory can't be read, or it is a symlink that points to itself.

    """
    try:
        return os.listdir(directory)
    except OSError as error:
        if proves_absence(error) and error.errno != errno.ELOOP:
            return []
        raise


def resolve(path: str) -> str:
    """Return an absolute path without symlinks, as `os.path.realpath` does. It need not exist.

    Raises:
        OSError: A part of the path can't be read, or a symlink points to itself.

    """
    pending = _parts(path)
    resolved = ""
    symlinks = 0
    while pending:
        part = pending.pop()
        if part == "..":
            resolved = resolved.rpartition("/")[0]
        elif part not in ("", "."):
            target = read_link(f"{resolved}/{part}")
            if not target:
                resolved = f"{resolved}/{part}"
                continue
            symlinks += 1
            if symlinks > MAX_SYMLINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if target.startswith("/"):
                resolved = ""
            pending += target.split("/")[::-1]
    return resolved or "/"


def _parts(path: str) -> list[str]:
    """Return the parts of an absolute path, the first one last."""
    return (path if path.startswith("/") else f"{os.getcwd()}/{path}").split("/")[::-1]
