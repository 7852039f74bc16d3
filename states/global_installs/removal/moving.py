"""Move entries between a system and a store that has the same directories.

The path in the store is the record of the original path: `files/usr/local/bin/web` is
`/usr/local/bin/web`. No other record is needed to restore an entry, so a torn one loses nothing.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.system.existence import entry_exists, is_directory, listdir_or_empty, lstat
from engine.system.files import make_dirs
from states.system.trees import copy_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator


def store_entry(path: str, files: str) -> None:
    """Move an entry of the system into a store. Does nothing if it is missing.

    The move isn't synced. If the process is killed, `restore_entries` moves everything back.

    Args:
        path: The absolute path.
        files: The directory of the store with the same directories as the system.

    Raises:
        OSError: The entry can't be moved.

    """
    if entry_exists(path):
        make_dirs(os.path.dirname(f"{files}{path}"))
        _move(path, f"{files}{path}", f"{files}-next")


def restore_entries(files: str) -> None:
    """Move every entry of a store back to the system, and delete the emptied directories.

    A directory that exists on both sides is merged. An entry whose path is occupied stays in the
    store. The moves aren't synced. If the process is killed, another call continues.

    Args:
        files: As for `store_entry`.

    Raises:
        OSError: An entry can't be moved.

    """
    for name in listdir_or_empty(files):
        _move(f"{files}/{name}", f"/{name}", f"{files}-next")


def stored_entries(files: str) -> Iterator[str]:
    """Yield the original path of each outermost entry of a store.

    A directory that also exists on the system contains such entries.

    Args:
        files: As for `store_entry`.

    Raises:
        OSError: A directory can't be read.

    """
    pending = [""]
    while pending:
        path = pending.pop()
        for name in sorted(listdir_or_empty(f"{files}{path}")):
            child = f"{path}/{name}"
            if _is_directory(child) and _is_directory(f"{files}{child}"):
                pending.append(child)
            else:
                yield child


def _is_directory(path: str) -> bool:
    status = lstat(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _move(source: str, target: str, scratch: str) -> None:
    """Move an entry to a path that is free, or merge two directories.

    Args:
        source: The entry.
        target: The path.
        scratch: A path on the same file system, for a directory that isn't complete yet.

    """
    status = os.lstat(source)
    occupant = lstat(target)
    if occupant is None:
        make_dirs(os.path.dirname(target))
        try:
            os.rename(source, target)
        except OSError as error:
            # On overlayfs, a directory of a container's image can't be renamed.
            if error.errno != errno.EXDEV or not stat.S_ISDIR(status.st_mode):
                raise
            _create_like(source, target, scratch)
        else:
            return
    elif not (stat.S_ISDIR(status.st_mode) and is_directory(target)):
        return  # The path is occupied.
    for name in sorted(os.listdir(source)):
        _move(f"{source}/{name}", f"{target}/{name}", scratch)
    if occupant is None:
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    if not os.listdir(source):
        os.rmdir(source)


def _create_like(source: str, target: str, scratch: str) -> None:
    """Create a directory with the owner, mode, and attributes of another one, in one rename.

    Args:
        source: The other directory.
        target: The path of the new one.
        scratch: The path under which it is created first.

    """
    with suppress(FileNotFoundError):
        os.rmdir(scratch)
    os.mkdir(scratch, 0o700)
    descriptors: list[int] = []
    try:
        descriptors += (os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (source, scratch))
        copy_metadata(descriptors[1], descriptors[0], os.fstat(descriptors[0]))
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    os.rename(scratch, target)
