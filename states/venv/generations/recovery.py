"""Recover from an interrupted run: find and delete everything that it left in a store.

A run can be killed at any point. Each run with work to do therefore starts with recovery, under
the lock of the store. Recovery needs no input, and may itself be killed. These entries are
unfinished:

* a generation without a receipt, unless it is live. A live generation had a receipt once, so
  it is damaged instead, and counts as unfinished as soon as another one is published.
* `trash-…`, `next-…`, and `.next-…`: entries that were being deleted or published.
* `adopted-…`, if it is a symlink: one half of an exchange with the published path.
* a hold that another live generation overrides: see `effective_hold`.

No live path depends on any of them. An entry that can't be deleted is renamed to `stuck-…`, so
that it no longer counts, and each later recovery tries again.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from engine import progress
from engine.system.existence import is_symlink, listdir_or_empty
from engine.system.files import fsync_dir
from states.venv.generations.hold import effective_hold, read_hold, release_hold
from states.venv.generations.store import (
    generation_names,
    is_finished,
    live_id,
)
from states.venv.layout import METADATA_DIR, RECEIPT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.layout import Store

_TRASH = "trash-"
_UNDELETABLE = "stuck-"
_SCRATCH = (_TRASH, "next-", ".next-")


def find_unfinished(store: Store) -> list[str]:
    """Return the paths of unfinished entries, relative to the store, without the hold.

    A generation that a process runs from stays out until the process ends. Another run may be
    building at this moment, so hold the lock of the store, or check first that it is free.
    This only reads.

    Raises:
        OSError: An entry can't be examined. An I/O error must not cause a deletion.

    """
    live = live_id(store)
    unfinished = [
        f"generations/{name}"
        for name in generation_names(store)
        if name != live and not is_finished(store, name)
    ]
    for name in sorted(listdir_or_empty(store.root)):
        unused = name.startswith("adopted-") and is_symlink(f"{store.root}/{name}")
        if unused or name.startswith(_SCRATCH):
            unfinished.append(name)
    return [relative for relative in unfinished if not _is_in_use(store, relative)]


def has_stale_hold(store: Store) -> bool:
    """Return whether a hold exists that has no effect. This only reads."""
    return read_hold(store) is not None and effective_hold(store) is None


def clean_up_interrupted(store: Store) -> list[str]:
    """Delete every unfinished entry, and release a stale hold.

    The lock of the store must be held. A kill in here leaves entries that are still unfinished.

    Returns:
        The deleted paths, relative to the store.

    """
    deleted = []
    for relative in find_unfinished(store):
        progress.step(f"deleting {relative}, which an interrupted run left")
        if try_delete(store, relative):
            deleted.append(relative)
    for name in undeletable(store):
        try_delete(store, name)
    if has_stale_hold(store):
        progress.step("releasing a hold that an interrupted run left")
        release_hold(store)
    return deleted


def remove_unfinished(store: Store) -> None:
    """Delete unfinished generations, but keep the scratch directory of the current run.

    The lock of the store must be held.
    """
    for relative in find_unfinished(store):
        if relative.startswith("generations/"):
            try_delete(store, relative)


def undeletable(store: Store) -> list[str]:
    """Return the names of entries that couldn't be deleted and were renamed."""
    return [name for name in os.listdir(store.root) if name.startswith(_UNDELETABLE)]


def try_delete(store: Store, relative: str) -> bool:
    """Delete an entry of the store, or rename it if it is immutable or contains a mount.

    The lock of the store must be held, and the published path must not need the entry.

    Args:
        store: The store of the venv.
        relative: The path of the entry, relative to the store.

    Returns:
        Whether the entry is gone.

    Raises:
        OSError: The deletion failed for another reason, such as an I/O error.

    """
    name = os.path.basename(relative)
    trash = name if name.startswith(_TRASH) else f"{_TRASH}{os.urandom(4).hex()}"
    # Imported here: a no-op run deletes nothing.
    from states.venv.generations.removal import delete

    path, trash_path = f"{store.root}/{relative}", f"{store.root}/{trash}"
    try:
        delete(_mark_deleted(path, trash_path))
    except OSError as error:
        # ENOTEMPTY: the owner of a directory keeps creating files in it.
        if error.errno not in (errno.EPERM, errno.EACCES, errno.EBUSY, errno.ENOTEMPTY):
            raise
        stuck_path = f"{store.root}/{trash.replace(_TRASH, _UNDELETABLE, 1)}"
        with suppress(OSError):
            os.rename(trash_path, stuck_path)
            path = stuck_path
        progress.step(f"can't delete `{path}`: {error.strerror}: `{error.filename}`")
        return False
    return True


def _mark_deleted(path: str, trash_path: str) -> str:
    """Make an entry count as deleted in one step, and return its path after that.

    That step is a rename to `trash-…`. On overlayfs without `redirect_dir`, a directory of a
    container's image can't be renamed (EXDEV). There, the step is to delete the receipt.
    """
    try:
        os.rename(path, trash_path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # INVARIANT: the receipt goes first, so that a generation with missing files never counts.
        with suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(f"{path}/{RECEIPT}")
            fsync_dir(f"{path}/{METADATA_DIR}")
        return path
    return trash_path


def _is_in_use(store: Store, relative: str) -> bool:
    if not relative.startswith("generations/"):
        return False
    # Imported here: a no-op run finds no unfinished generation.
    from states.venv.generations.in_use import is_in_use

    return is_in_use(f"{store.root}/{relative}")
