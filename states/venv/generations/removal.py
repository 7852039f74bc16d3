"""Unpublish a venv, and delete entries of its store."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.system.existence import entry_exists, resolve
from engine.system.files import fsync_dir
from engine.system.linux import is_mount_point, mount_points
from states.system import subprocesses
from states.venv.generations.store import live_id

if TYPE_CHECKING:
    from states.venv.layout import Store


_UNKNOWN_ERRNOS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ENAMETOOLONG)
"""Errors of `is_mount_point` without support by the kernel, and of paths that are too long."""


def unpublish(store: Store) -> None:
    """Delete the published symlink, if it points to a generation of this store."""
    if live_id(store) is not None:
        os.unlink(store.published)
        fsync_dir(os.path.dirname(store.published))


def delete_store(store: Store) -> None:
    """Delete a store. The caller holds its lock, and has unpublished the venv.

    # INVARIANT: the lock is deleted last, so that a run that wants to create the venv waits.

    Raises:
        OSError: A file system is mounted inside, or an entry can't be deleted.

    """
    require_no_mount(store.root)
    for name in os.listdir(store.root):
        if name != os.path.basename(store.lock):
            delete(f"{store.root}/{name}")
    os.unlink(store.lock)
    # A run that waited for the lock may already have started a new store in the directory.
    with suppress(OSError):
        os.rmdir(store.root)
    fsync_dir(os.path.dirname(store.root))


def delete_if_empty(store: Store) -> None:
    """Delete a store that contains nothing, because creating the venv failed.

    The lock of the store must be held. If the store can't be read or deleted, it stays.
    """
    own = {os.path.basename(path) for path in (store.lock, store.generations)}
    with suppress(OSError):
        has_content = set(os.listdir(store.root)) - own or os.listdir(store.generations)
        if not has_content and live_id(store) is None:
            delete_store(store)


def delete(path: str) -> None:
    """Delete a file or a directory tree.

    Raises:
        OSError: A file system is mounted inside, or the entry can't be deleted.

    """
    status = os.lstat(path)
    if stat.S_ISDIR(status.st_mode):
        require_no_mount(path)
        _remove_tree(path)
    else:
        os.unlink(path)


def _remove_tree(path: str) -> None:
    try:
        shutil.rmtree(path)
    except (RecursionError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EMFILE:
            raise
        # The owner of the files may have nested directories too deeply for open descriptors.
        subprocesses.run(
            ["rm", "-rf", "--one-file-system", "--", path],
            env=subprocesses.clean_environment("/"),
            cwd="/",
        )
        if entry_exists(path):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path) from None


def require_no_mount(directory: str) -> None:
    """Check a directory that is about to be deleted.

    Raises:
        OSError: A file system is mounted inside, and its content would also be deleted. Or
            whether one is mounted isn't known.

    """
    points = mount_points()
    if points is None:
        _search_mount(directory)
        return
    prefix = os.fsencode(f"{resolve(directory)}/")
    for mount_point in points:
        if mount_point.startswith(prefix):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), os.fsdecode(mount_point))


def _search_mount(directory: str) -> None:
    """Check every entry of a directory tree. Without `/proc`, there is no list of mounts.

    Raises:
        OSError: A file system is mounted at one of them, or that isn't known.

    """
    pending = [directory]
    try:
        while pending:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if is_mount_point(entry.path):
                        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), entry.path)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
    except OSError as error:
        if error.errno not in _UNKNOWN_ERRNOS:
            raise
        message = "without `/proc`, it isn't known whether a file system is mounted inside"
        raise OSError(errno.EBUSY, message, directory) from error
