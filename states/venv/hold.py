"""A venv that was rolled back stays where it is, until its declaration changes.

The note is the target of a symlink, `held` in the store: it needs no room, so a rollback
works on a full disk.
"""

from __future__ import annotations

import os

from engine.files import flush_folder, sha256
from engine.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.spec import Venv
    from states.venv.store import Store


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
    try:
        generation, _, against = os.readlink(_note(store)).partition(":")
    except OSError:
        return None
    return Hold(generation, against)


def put(store: Store, hold: Hold) -> None:
    """Hold a venv, in one rename."""
    aside = f"{store.root}/next-{os.urandom(4).hex()}"
    os.symlink(f"{hold.generation}:{hold.against}", aside)
    os.rename(aside, _note(store))
    flush_folder(store.root)


def release(store: Store) -> bool:
    """End a hold; tell whether there was one."""
    try:
        os.unlink(_note(store))
    except FileNotFoundError:
        return False
    flush_folder(store.root)
    return True


def holds(store: Store, spec: Venv, live: str) -> bool:
    """Tell whether what is live is held against what this spec wishes for."""
    hold = read(store)
    return hold is not None and hold.generation == live and hold.against == wish(spec)


def _note(store: Store) -> str:
    return f"{store.root}/held"
