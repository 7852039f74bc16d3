"""Removing generations that nobody needs any more."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress

from engine import progress
from engine.system.files import entry_exists, fsync_dir, symlink
from states.venv.generations import in_use
from states.venv.generations.previous import gc_order
from states.venv.generations.store import delete, list_generations, list_unfinished
from states.venv.integrity import receipt as receipts
from states.venv.layout import LEASE, METADATA_DIR, RECEIPT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.layout import Store

UNDELETABLE = "stuck-"
"""Begins the name of what could not be removed."""


def collectable(store: Store, keep: int, *, quarantined: bool = False) -> list[str]:
    """Return the former generations that may go: all but `keep` whole ones.

    Those are kept that a rollback would go to. Never the published one goes, the held one, a
    pinned one, or one that a process still runs from. Of the damaged ones, which were
    replaced, the newest stays in quarantine unless it is asked for too: something that
    damages a venv again and again must not fill the disk.
    """
    former = gc_order(store)
    whole = [one for one in former if not is_quarantined(store, one)]
    damaged = sorted(one for one in former if one not in whole)
    going = {*whole[: max(0, len(whole) - keep)], *(damaged if quarantined else damaged[:-1])}
    return [
        one
        for one in list_generations(store)
        if one in going and not is_pinned(store, one) and not is_in_use(store.generation(one))
    ]


def unfinished(store: Store) -> list[str]:
    """Return the paths of what an interrupted run left and no process runs from.

    One that was live and has lost its receipt counts as left over once another took its place.
    """
    return [one for one in list_unfinished(store) if not _in_use_still(store, one)]


def _in_use_still(store: Store, relative: str) -> bool:
    path = f"{store.root}/{relative}"
    # Who may not look inside cannot tell; nor can they remove it.
    return relative.startswith("generations/") and os.access(path, os.X_OK) and is_in_use(path)


def collect(store: Store, identifiers: list[str]) -> list[str]:
    """Remove generations, and return which are gone; the lock of the store must be held."""
    gone = []
    for one in identifiers:
        progress.detail(f"removing generation {one}")
        if clear(store, f"generations/{one}"):
            gone.append(one)
    return gone


def clear(store: Store, relative: str) -> bool:
    """Remove something of the store; where it is protected, or mounted on, put it aside and say so.

    What is published does not depend on it. The next run that has work to do tries again.
    Returns whether it is gone.
    """
    name = os.path.basename(relative)
    trash = name if name.startswith("trash-") else f"trash-{os.urandom(4).hex()}"
    path, aside = f"{store.root}/{relative}", f"{store.root}/{trash}"
    try:
        delete(_mark_deleted(path, aside))
    except OSError as error:
        # Not empty: its owner goes on making files in it.
        if error.errno not in (errno.EPERM, errno.EACCES, errno.EBUSY, errno.ENOTEMPTY):
            raise
        protected = f"{store.root}/{trash.replace('trash-', UNDELETABLE, 1)}"
        with suppress(OSError):
            os.rename(aside, protected)
            path = protected
        progress.step(f"`{path}` cannot be removed: {error.strerror}: `{error.filename}`")
        return False
    return True


def _mark_deleted(path: str, aside: str) -> str:
    """Make something count as trash at once, and return where it is then.

    It is put aside; a folder that came with an image, as a container has it, cannot be renamed
    (overlayfs without `redirect_dir`): a generation counts for nothing without its receipt.
    """
    try:
        os.rename(path, aside)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(f"{path}/{RECEIPT}")
            fsync_dir(f"{path}/{METADATA_DIR}")
        return path
    return aside


def undeletable(store: Store) -> list[str]:
    """Return the names of what was put aside since it could not be removed."""
    return [name for name in os.listdir(store.root) if name.startswith(UNDELETABLE)]


def quarantine(store: Store, identifier: str) -> None:
    """Mark a damaged generation, so that it is kept for whoever wants to know what happened."""
    mark = f"{store.generation(identifier)}/{METADATA_DIR}/quarantined"
    if receipts.is_protected(store.generation(identifier)) and not os.path.lexists(mark):
        symlink("quarantined", mark)  # needs no room on a full disk


def is_quarantined(store: Store, identifier: str) -> bool:
    """Tell whether a generation was replaced because it was damaged."""
    return entry_exists(f"{store.generation(identifier)}/{METADATA_DIR}/quarantined")


def is_pinned(store: Store, identifier: str) -> bool:
    """Tell whether somebody asked for a generation to be kept."""
    return entry_exists(f"{store.generation(identifier)}/{METADATA_DIR}/pinned")


def is_in_use(root: str) -> bool:
    """Tell whether a process runs from a generation: by its lease, or by what /proc tells.

    It is taken for used where nobody can tell: where no more files can be opened, or over NFS,
    which locks so only what is open for writing.
    """
    if in_use.using_processes(root):
        return True
    try:
        lease = os.open(f"{root}/{LEASE}", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lease)
    return False
