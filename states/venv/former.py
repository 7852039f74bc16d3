"""Which generation was live before: the order in which they were made does not tell.

A note, the symlink `former` in the store, names the one that was replaced and the one that
took its place. It is a hint: one that does not speak of what is live, as a killed run may
leave it, says nothing, and then the newest of those made before is taken for the former one.
"""

from __future__ import annotations

from states.venv import receipt as receipts
from states.venv import store as stores
from states.venv.hold import standing
from states.venv.store import current, generations, noted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.store import Store

NAME = "former"
"""The name of the note in the store."""


def note(store: Store, before: str, following: str) -> None:
    """Note that one generation takes the place of another; flushed with the switch itself.

    A rollback notes nothing: what it leaves was rejected, and is not to be gone back to.
    """
    stores.note(store, NAME, f"{before}:{following}")


def before(store: Store) -> str:
    """Return the generation that was live before the one that is; empty if it is not known."""
    replaced, _, following = noted(store, NAME).partition(":")
    return replaced if following == current(store) else ""


def behind(store: Store) -> list[str]:
    """Return the generations that a rollback may go back to, the likeliest first.

    Where nothing is live, what is held comes first: it was to be.
    """
    live, made = current(store), generations(store)
    if live is None:
        hold = standing(store)
        first, older = hold.generation if hold else "", made
    else:
        first, older = before(store), [one for one in made if one < live]
    rest = [one for one in reversed(older) if one != first]
    return [first, *rest] if first in made else rest


def dispensable(store: Store) -> list[str]:
    """Return the generations that are neither live nor held, the most dispensable first.

    Those come first that a rollback does not go to: they were rejected, or may have been. Where
    none is live or held, the newest one is needed: the next apply has the path lead to it again.
    """
    hold, made = standing(store), generations(store)
    needed = {current(store), hold.generation if hold else None}.intersection(made)
    if not needed:
        needed.update([one for one in made if receipts.read(store.generation(one))][-1:])
    likely = behind(store)[::-1]
    rejected = [one for one in made if one not in likely]
    return [one for one in (*rejected, *likely) if one not in needed]
