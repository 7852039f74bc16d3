"""The store of a venv: names of its entries, and the switch of the published symlink.

PATH                      a symlink to .NAME/generations/ID, relative
.NAME/lock                locked by the one run that changes the store
.NAME/generations/ID/     a generation; finished if it has a receipt
.NAME/held, previous      records: the held generation, and the one that was live before
.NAME/persistent/         directories that are kept across generations
.NAME/adopted-…           an adopted backup: the previous content of the path
.NAME/trash-…, next-…     entries that are being deleted or published
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress

from engine.errors import PermissionDenied
from engine.system.existence import (
    entry_exists,
    is_directory,
    is_symlink,
    listdir_or_empty,
    lstat,
    read_link,
)
from engine.system.files import fsync_dir, make_dirs, replace_symlink
from engine.system.permissions import require_trusted_path, untrusted_reason
from states.venv.layout import RECEIPT, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.generations.generation import Generation

_ID = re.compile(r"(\d{6,})-[0-9a-f]{8}")


def live_id(store: Store) -> str | None:
    """Return the ID of the published generation, or None if the path isn't such a symlink.

    Raises:
        OSError: The path can't be read. Nothing may be deleted then.

    """
    directory, identifier = os.path.split(read_link(store.published))
    relative = os.path.relpath(store.generations, os.path.dirname(store.published))
    is_in_store = directory in (relative, store.generations)
    return identifier if is_in_store and _ID.fullmatch(identifier) else None


def list_generations(store: Store) -> list[str]:
    """Return the IDs of all finished generations, oldest first."""
    return [name for name in generation_names(store) if is_finished(store, name)]


def list_adopted(store: Store) -> list[str]:
    """Return the names of all adopted backups. Most are directories; a file is possible."""
    names = [name for name in sorted(listdir_or_empty(store.root)) if name.startswith("adopted-")]
    return [name for name in names if _is_content(f"{store.root}/{name}")]


def generation_names(store: Store) -> list[str]:
    """Return the names of all directories for generations, finished or not, oldest first."""
    return sorted(listdir_or_empty(store.generations), key=lambda name: (len(name), name))


def is_finished(store: Store, identifier: str) -> bool:
    """Return whether a generation has a receipt, which may be torn.

    Raises:
        OSError: The answer isn't known, so the generation is neither finished nor unfinished.

    """
    return entry_exists(f"{store.generation(identifier)}/{RECEIPT}")


def new_id(store: Store) -> str:
    """Return an ID that was never used before. IDs sort by age.

    The number is higher than all others; it doesn't come from a clock. The random part
    makes the path unique even after all generations were deleted, because installers cache
    results by path.
    """
    names = listdir_or_empty(store.generations)
    numbers = [int(match[1]) for name in names if (match := _ID.fullmatch(name))]
    return f"{max(numbers, default=0) + 1:06d}-{_random_suffix()}"


def lock_of(store: Store, path: str) -> str | None:
    """Return the file to lock before entries of the store are changed or deleted.

    Args:
        store: The store of the venv.
        path: The declared path, with symlinks.

    Returns:
        The path of the file, or None if the store doesn't exist.

    Raises:
        PermissionDenied: Another user could redirect or replace those entries.
        OSError: The store can't be examined. That must not look like a missing store, which
            needs no lock.

    """
    if not is_directory(store.root):
        return None
    require_trusted_path(os.path.dirname(path))
    for directory in (store.root, store.generations):
        with suppress(FileNotFoundError):
            _require_safe_directory(directory)
    return store.lock


def create_store(store: Store, path: str) -> None:
    """Create the directories of a store, if they don't exist.

    Args:
        store: The store of the venv.
        path: The declared path, with symlinks.

    Raises:
        PermissionDenied: Another user could redirect or replace entries of the store.

    """
    parent = os.path.dirname(store.root)
    require_trusted_path(os.path.dirname(path))
    make_dirs(parent)
    for directory in (store.root, store.generations):
        try:
            os.mkdir(directory, 0o755)
            os.chmod(directory, 0o755)
        except FileExistsError:
            _require_safe_directory(directory)
    fsync_dir(parent)


def publish(store: Store, generation: Generation) -> None:
    """Make a generation the live one. The lock of the store must be held.

    # INVARIANT: the rename of the symlink is the only commit point of a run.
    """
    parent = os.path.dirname(store.published)
    # A directory at the path is empty, or the declaration adopts it. It becomes the backup.
    adopts = _is_content(store.published)
    temporary = f"{store.root}/{'adopted' if adopts else 'next'}-{_random_suffix()}"
    target = os.path.relpath(generation.root, parent)
    try:
        replace_symlink(target, store.published, temporary, exchange=adopts)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        # On overlayfs, a directory of an image can't be renamed. Some other file systems
        # can't exchange two names.
        try:
            os.rmdir(store.published)  # An empty directory needs no backup.
        except OSError:
            raise error from None
        replace_symlink(target, store.published, temporary)
    if adopts:
        with suppress(OSError):
            os.rmdir(temporary)  # A backup of an empty directory isn't kept.
    fsync_dir(parent)
    fsync_dir(store.root)


def restore_adopted(store: Store, name: str) -> None:
    """Move an adopted backup back to the published path, in one rename."""
    # Imported here: a no-op run exchanges nothing.
    from engine.system.linux import exchange_names

    backup = f"{store.root}/{name}"
    if entry_exists(store.published):
        exchange_names(backup, store.published)
        if is_symlink(backup):
            os.unlink(backup)
    else:
        os.rename(backup, store.published)
    fsync_dir(os.path.dirname(store.published))
    fsync_dir(store.root)


def write_record(store: Store, name: str, text: str) -> None:
    """Write a record in one rename, as the target of a symlink. This works on a full disk.

    The rename isn't synced. The lock of the store must be held.

    Args:
        store: The store of the venv.
        name: The name of the record.
        text: The content, which must be short.

    """
    replace_symlink(text, f"{store.root}/{name}", f"{store.root}/next-{_random_suffix()}")


def read_record(store: Store, name: str) -> str:
    """Return the text of a record, or an empty string if it doesn't exist."""
    return read_link(f"{store.root}/{name}")


def _random_suffix() -> str:
    return os.urandom(4).hex()


def _is_content(path: str) -> bool:
    """Return whether a path exists and isn't a symlink, so that replacing it would lose data."""
    status = lstat(path)
    return status is not None and not stat.S_ISLNK(status.st_mode)


def _require_safe_directory(directory: str) -> None:
    """Check that a path is a directory that only its owner can write.

    Raises:
        PermissionDenied: It isn't.

    """
    status = os.lstat(directory)
    if not stat.S_ISDIR(status.st_mode):
        raise PermissionDenied(
            f"`{directory}` exists and isn't a directory",
            hint="move it; converge keeps its generations there",
        )
    reason = untrusted_reason(status)
    if reason:
        raise PermissionDenied(
            f"unsafe directory `{directory}`: {reason}, and published files could be replaced",
            hint="move it, or make it belong to the user that runs converge and run "
            f"`chmod go-w {directory}`",
        )
