"""A venv that was rolled back stays where it is, until its declaration changes.

The note is the target of a symlink, `held` in the store: it needs no room, so a rollback
works on a full disk.
"""

from __future__ import annotations

import os

from engine.files import flush_folder, sha256
from engine.value import value
from states.venv import receipt as receipts
from states.venv.store import current, note, noted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.spec import Venv
    from states.venv.store import Store

NAME = "held"
"""The name of the note in the store."""


@value
class Hold:
    """What is held, a generation or a foreign folder, and against which wish."""

    generation: str
    against: str


def wish(spec: Venv) -> str:
    """Return a short digest of what a spec wishes for: a hold ends when that changes."""
    content = (spec.inputs, spec.python, spec.system_site_packages, spec.system_packages)
    rest = (spec.persistent, spec.owner, spec.group, spec.mode, spec.ignore, spec.smoke)
    return sha256(repr((content, rest)).encode())[:16]


def read(store: Store) -> Hold | None:
    """Return the hold of a venv; `None` if there is none."""
    generation, _, against = noted(store, NAME).partition(":")
    return Hold(generation, against) if generation else None


def put(store: Store, hold: Hold) -> None:
    """Hold a venv, in one rename."""
    note(store, NAME, f"{hold.generation}:{hold.against}")
    flush_folder(store.root)


def release(store: Store) -> bool:
    """End a hold; tell whether there was one."""
    try:
        os.unlink(f"{store.root}/{NAME}")
    except FileNotFoundError:
        return False
    flush_folder(store.root)
    return True


def standing(store: Store) -> Hold | None:
    """Return the hold of a venv, unless another generation, a whole one, is live.

    Then a rollback was killed before its switch, or what ended the hold right after its own.
    """
    hold, live = read(store), current(store)
    if hold is None or live in (None, hold.generation):
        return hold
    return None if receipts.read(store.generation(live)) else hold


def is_void(store: Store) -> bool:
    """Tell whether there is a hold that counts for nothing."""
    return read(store) is not None and standing(store) is None


def held(store: Store, spec: Venv) -> str:
    """Return what is held against what this spec wishes for; empty for nothing."""
    hold = standing(store) if spec.state == "present" else None
    return hold.generation if hold is not None and hold.against == wish(spec) else ""
