"""Delete generations that are no longer needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import progress
from engine.system.existence import entry_exists
from engine.system.files import symlink
from states.venv.generations.in_use import is_in_use
from states.venv.generations.previous import gc_order
from states.venv.generations.recovery import try_delete
from states.venv.generations.store import list_generations
from states.venv.integrity.receipt import is_protected
from states.venv.layout import METADATA_DIR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from states.venv.layout import Store


def collectable(store: Store, keep: int, *, include_quarantined: bool = False) -> list[str]:
    """Return the generations that may be deleted.

    The live generation, the held one, a pinned one, and one that a process runs from always
    stay. So does the newest quarantined generation. Older ones don't: if something damages a
    venv again and again, they would fill the disk.

    Args:
        store: The store of the venv.
        keep: The number of previous, undamaged generations to keep for a rollback.
        include_quarantined: Whether the newest quarantined generation may also be deleted.

    Returns:
        The IDs, oldest first.

    """
    candidates = gc_order(store)
    undamaged = [identifier for identifier in candidates if not is_quarantined(store, identifier)]
    damaged = sorted(set(candidates).difference(undamaged))
    deletable = {
        *undamaged[: max(0, len(undamaged) - keep)],
        *(damaged if include_quarantined else damaged[:-1]),
    }
    return [
        identifier
        for identifier in list_generations(store)
        if identifier in deletable
        and not is_pinned(store, identifier)
        and not is_in_use(store.generation(identifier))
    ]


def collect(store: Store, identifiers: Iterable[str]) -> list[str]:
    """Delete generations, and return the IDs of those that are gone.

    The lock of the store must be held. A kill in here leaves unfinished entries.
    """
    deleted = []
    for identifier in identifiers:
        progress.detail(f"deleting generation {identifier}")
        if try_delete(store, f"generations/{identifier}"):
            deleted.append(identifier)
    return deleted


def quarantine(store: Store, identifier: str) -> None:
    """Mark a damaged generation, so that it is kept for an investigation."""
    mark = f"{store.generation(identifier)}/{METADATA_DIR}/quarantined"
    if is_protected(store.generation(identifier)) and not entry_exists(mark):
        symlink("quarantined", mark)  # A symlink needs no space on a full disk.


def is_quarantined(store: Store, identifier: str) -> bool:
    """Return whether a generation was replaced because it was damaged."""
    return entry_exists(f"{store.generation(identifier)}/{METADATA_DIR}/quarantined")


def is_pinned(store: Store, identifier: str) -> bool:
    """Return whether a user pinned a generation, so that it is never deleted."""
    return entry_exists(f"{store.generation(identifier)}/{METADATA_DIR}/pinned")
