"""The store of a venv: names of its entries, and the switch of the published symlink.

PATH                      a symlink to .NAME/generations/ID, relative
.NAME/lock                locked by the one run that changes the store
.NAME/generations/ID/     a generation; finished if it has a receipt
.NAME/held, previous      records: the held generation, and the one that was live before
.NAME/publication         a record: a token that each publication changes
.NAME/run                 a record: the run that published the live generation
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

from engine.system.existence import (
    entry_exists,
    is_symlink,
    listdir_or_empty,
    lstat,
    read_link,
)
from engine.system.files import fsync_dir, replace_symlink
from states.venv.layout import RECEIPT, Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Finished(Protocol):
        """A complete generation of any kind that has such a store."""

        @property
        def root(self) -> str:
            """Its directory."""

        @property
        def identifier(self) -> str:
            """The name of its directory."""


PUBLICATION_NAME = "publication"
"""The name of the record in the store."""
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


def publish(store: Store, generation: Finished) -> None:
    """Make a generation the live one. The lock of the store must be held.

    # INVARIANT: the rename of the symlink is the only commit point of a run.
    """
    parent = os.path.dirname(store.published)
    if live_id(store) != generation.identifier:
        # If a kill or a power failure separates the record from the switch, the record doesn't
        # name the live generation. Then it is ignored, which only makes a command run again.
        token = f"{_random_suffix()}:{generation.identifier}"
        write_record(store, PUBLICATION_NAME, token)
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


def publication(store: Store) -> str:
    """Return the identity of the current publication: the generation, and a token.

    Each switch has its own token, also a switch back to an earlier generation. The token is
    omitted if its record is missing or belongs to another generation.
    """
    live = live_id(store) or ""
    token, _, published = read_record(store, PUBLICATION_NAME).partition(":")
    return f"{live} #{token}" if published == live and token else live


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
