"""Removing generations that nobody needs any more."""

from __future__ import annotations

import os

from engine import progress
from engine.system.files import entry_exists, symlink
from states.venv.generations.in_use import is_in_use
from states.venv.generations.previous import gc_order
from states.venv.generations.recovery import try_delete
from states.venv.generations.store import list_generations
from states.venv.integrity.receipt import is_protected
from states.venv.layout import METADATA_DIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.layout import Store


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


def collect(store: Store, identifiers: list[str]) -> list[str]:
    """Remove generations, and return which are gone; the lock of the store must be held."""
    gone = []
    for one in identifiers:
        progress.detail(f"removing generation {one}")
        if try_delete(store, f"generations/{one}"):
            gone.append(one)
    return gone


def quarantine(store: Store, identifier: str) -> None:
    """Mark a damaged generation, so that it is kept for whoever wants to know what happened."""
    mark = f"{store.generation(identifier)}/{METADATA_DIR}/quarantined"
    if is_protected(store.generation(identifier)) and not os.path.lexists(mark):
        symlink("quarantined", mark)  # needs no room on a full disk


def is_quarantined(store: Store, identifier: str) -> bool:
    """Tell whether a generation was replaced because it was damaged."""
    return entry_exists(f"{store.generation(identifier)}/{METADATA_DIR}/quarantined")


def is_pinned(store: Store, identifier: str) -> bool:
    """Tell whether somebody asked for a generation to be kept."""
    return entry_exists(f"{store.generation(identifier)}/{METADATA_DIR}/pinned")
