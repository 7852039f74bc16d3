"""Keep restored packages after a rollback, until the declaration changes.

The record is the target of the symlink `held` in the store of the first site directory.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.system.existence import read_link
from engine.system.files import fsync_dir, replace_symlink
from states.global_installs.removal.store import is_complete

if TYPE_CHECKING:
    from collections.abc import Collection

    from states.global_installs.removal.store import PlaceStore


def held_removal(main: PlaceStore, stores: Collection[PlaceStore], digest: str) -> str:
    """Return the restored removal that a hold is for, or an empty string without a hold.

    A hold has no effect if the declaration has changed since. Neither has one whose removal is
    still complete: the rollback was killed before it restored anything.

    Args:
        main: The store with the record.
        stores: The stores of all site directories.
        digest: The digest of the declaration.

    Returns:
        The ID of the removal.

    """
    identifier, _, declared = read_link(f"{main.root}/held").partition(":")
    is_undone = any(is_complete(store, identifier) for store in stores) if identifier else False
    return "" if is_undone or declared != digest else identifier


def set_hold(main: PlaceStore, identifier: str, digest: str) -> None:
    """Record a hold, in one rename. The lock must be held.

    Args:
        main: The store with the record.
        identifier: The ID of the removal.
        digest: The digest of the declaration.

    """
    temporary = f"{main.root}/next-held"
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    replace_symlink(f"{identifier}:{digest}", f"{main.root}/held", temporary)
    fsync_dir(main.root)


def release_hold(main: PlaceStore) -> bool:
    """Delete the record of a hold, and return whether one existed. The lock must be held."""
    try:
        os.unlink(f"{main.root}/held")
    except FileNotFoundError:
        return False
    fsync_dir(main.root)
    return True
