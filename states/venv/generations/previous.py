"""Which generation was live before: the order in which they were made does not tell.

A note, the symlink `previous` in the store, names the one that was replaced and the one that
took its place. It is a hint: one that does not speak of what is live, as a killed run may
leave it, says nothing, and then the newest of those made before is taken for the former one.
"""

from __future__ import annotations

from states.venv.generations.hold import effective_hold
from states.venv.generations.store import list_generations, live_id, read_record, write_record
from states.venv.integrity.receipt import read_receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.layout import Store

PREVIOUS_NAME = "previous"
"""The name of the note in the store."""


def record_previous(store: Store, before: str, following: str) -> None:
    """Note that one generation takes the place of another; flushed with the switch itself.

    A rollback notes nothing: what it leaves was rejected, and is not to be gone back to.
    """
    write_record(store, PREVIOUS_NAME, f"{before}:{following}")


def previous_id(store: Store) -> str:
    """Return the generation that was live before the one that is; empty if it is not known."""
    replaced, _, following = read_record(store, PREVIOUS_NAME).partition(":")
    return replaced if following == live_id(store) else ""


def rollback_candidates(store: Store) -> list[str]:
    """Return the generations that a rollback may go back to, the likeliest first.

    Where nothing is live, what is held comes first: it was to be.
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
    """Return the generations that are neither live nor held, the most dispensable first.

    Those come first that a rollback does not go to: they were rejected, or may have been. Where
    none is live or held, the newest one is needed: the next apply has the path lead to it again.
    """
    hold, made = effective_hold(store), list_generations(store)
    needed = {live_id(store), hold.generation if hold else None}.intersection(made)
    if not needed:
        needed.update([one for one in made if read_receipt(store.generation(one))][-1:])
    likely = rollback_candidates(store)[::-1]
    rejected = [one for one in made if one not in likely]
    return [one for one in (*rejected, *likely) if one not in needed]
