"""Removing generations that nobody needs any more."""

from __future__ import annotations

import fcntl
import os

from engine import progress
from states.venv import usage
from states.venv.store import LEASE, NOTES, current, discard, generations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.store import Store


def retirable(store: Store, keep: int) -> list[str]:
    """Return the former generations that may go: all but the newest `keep` of them.

    Never the published one, a pinned one, or one that a process still runs from.
    """
    live = current(store)
    former = [one for one in generations(store) if one != live]
    return [
        one
        for one in former[: max(0, len(former) - keep)]
        if not is_pinned(store, one) and not in_use(store.generation(one))
    ]


def retire(store: Store, identifiers: list[str]) -> None:
    """Remove generations; the lock of the store must be held."""
    for one in identifiers:
        progress.step(f"removing generation {one}")
        discard(store, f"generations/{one}")


def is_pinned(store: Store, identifier: str) -> bool:
    """Tell whether somebody asked for a generation to be kept."""
    return os.path.lexists(f"{store.generation(identifier)}/{NOTES}/pinned")


def in_use(root: str) -> bool:
    """Tell whether a process runs from a generation: by its lease, or by what /proc tells."""
    if usage.processes(root):
        return True
    try:
        lease = os.open(f"{root}/{LEASE}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lease)
    return False
