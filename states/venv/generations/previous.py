"""Record which generation was live before. The order of their creation can differ.

The target of the symlink `previous` in the store contains the replaced generation and its
replacement. The record is a hint. If a killed run left one whose replacement isn't live, it
is ignored, and the newest generation older than the live one counts as the previous one.
"""

from __future__ import annotations

from states.venv.generations.hold import effective_hold
from states.venv.generations.store import list_generations, live_id, read_record, write_record
from states.venv.integrity.receipt import read_receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.layout import Store

PREVIOUS_NAME = "previous"
"""The name of the record in the store."""


def record_previous(store: Store, before: str, following: str) -> None:
    """Record that one generation replaces another. The switch that follows syncs the record.

    A rollback records nothing: the generation that it leaves was rejected.
    """
    write_record(store, PREVIOUS_NAME, f"{before}:{following}")


def previous_id(store: Store) -> str:
    """Return the generation that was live before the current one, or an empty string."""
    replaced, _, following = read_record(store, PREVIOUS_NAME).partition(":")
    return replaced if following == live_id(store) else ""


def rollback_candidates(store: Store) -> list[str]:
    """Return the generations that a rollback may switch to, the most likely first.

    If no generation is live, the held one comes first.
    """
    live, made = live_id(store), list_generations(store)
    if live is None:
        hold = effective_hold(store)
        first, older = hold.generation if hold else "", made
    else:
        first, older = previous_id(store), [one for one in made if one < live]
    rest = [one for one in reversed(older) if one != first]
    return [first, *rest] if first in made else rest


def gc_order(store: Store) -> list[str]:
    """Return the generations that are neither live nor held, in the order of deletion.

    First come those that a rollback skips, because an earlier rollback may have rejected them.
    If none is live or held, the newest one stays: the next apply publishes it again.
    """
    hold, made = effective_hold(store), list_generations(store)
    needed = {live_id(store), hold.generation if hold else None}.intersection(made)
    if not needed:
        needed.update([one for one in made if read_receipt(store.generation(one))][-1:])
    likely = rollback_candidates(store)[::-1]
    rejected = [one for one in made if one not in likely]
    return [one for one in (*rejected, *likely) if one not in needed]
