"""Record which generation was live before. The order of their creation can differ.

The target of the symlink `previous` in the store contains the replaced generation and its
replacement. The record is a hint. If a killed run left one whose replacement isn't live, it
is ignored, and the newest generation older than the live one counts as the previous one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from states.venv.generations.hold import effective_hold
from states.venv.generations.store import list_generations, live_id, read_record, write_record
from states.venv.integrity.receipt import read_receipt

if TYPE_CHECKING:
    from states.venv.layout import Store

PREVIOUS_NAME = "previous"
"""The name of the record in the store."""


def record_previous(store: Store, replaced: str, replacement: str) -> None:
    """Record that one generation replaces another. The switch that follows syncs the record.

    The lock of the store must be held. A rollback doesn't call this: it rejects the generation
    that it replaces.

    Args:
        store: The store of the venv.
        replaced: The generation that is live now.
        replacement: The generation that the caller publishes next.

    """
    write_record(store, PREVIOUS_NAME, f"{replaced}:{replacement}")


def previous_id(store: Store) -> str:
    """Return the generation that was live before the current one, or an empty string."""
    replaced, _, replacement = read_record(store, PREVIOUS_NAME).partition(":")
    return replaced if replacement == live_id(store) else ""


def rollback_candidates(store: Store) -> list[str]:
    """Return the generations that a rollback may switch to, the most likely first.

    If no generation is live, the held one comes first.
    """
    live, generations = live_id(store), list_generations(store)
    if live is None:
        hold = effective_hold(store)
        first, older = hold.generation if hold else "", generations
    else:
        first = previous_id(store)
        older = [identifier for identifier in generations if identifier < live]
    rest = [identifier for identifier in reversed(older) if identifier != first]
    return [first, *rest] if first in generations else rest


def gc_order(store: Store) -> list[str]:
    """Return the generations that are neither live nor held, in the order of deletion.

    First come those that a rollback skips, because an earlier rollback may have rejected them.
    If none is live or held, the newest one stays: the next apply publishes it again.
    """
    hold, generations = effective_hold(store), list_generations(store)
    needed = {live_id(store), hold.generation if hold else None}.intersection(generations)
    if not needed:
        intact = [name for name in generations if read_receipt(store.generation(name))]
        needed.update(intact[-1:])
    candidates = rollback_candidates(store)[::-1]
    rejected = [identifier for identifier in generations if identifier not in candidates]
    return [identifier for identifier in (*rejected, *candidates) if identifier not in needed]
