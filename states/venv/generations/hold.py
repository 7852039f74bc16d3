"""Hold a venv at a generation after a rollback, until its declaration changes.

The record is the target of the symlink `held` in the store. It needs no disk space, so a
rollback works on a full disk.
"""

from __future__ import annotations

import os

from engine.frozen import frozen
from engine.system.files import fsync_dir, sha256
from states.venv.files.state import file_settings
from states.venv.generations.store import live_id, read_record, write_record
from states.venv.integrity.receipt import read_receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.layout import Store
    from states.venv.spec import Venv

HOLD_NAME = "held"
"""The name of the record in the store."""


@frozen
class Hold:
    """The held generation, or `foreign`, and the declaration that the hold overrides."""

    generation: str
    spec_digest: str


def spec_digest(spec: Venv) -> str:
    """Return a short digest of the declared content. A hold ends when the digest changes."""
    content = (spec.inputs, spec.python, spec.system_site_packages, spec.system_packages)
    rest = (spec.persistent, spec.owner, spec.group, spec.mode, spec.ignore, spec.smoke)
    declared = (content, rest, file_settings(spec.files)) if spec.files else (content, rest)
    return sha256(repr(declared).encode())[:16]


def read_hold(store: Store) -> Hold | None:
    """Return the hold of a venv, or None."""
    generation, _, digest = read_record(store, HOLD_NAME).partition(":")
    return Hold(generation, digest) if generation else None


def set_hold(store: Store, hold: Hold) -> None:
    """Record a hold, in one rename."""
    write_record(store, HOLD_NAME, f"{hold.generation}:{hold.spec_digest}")
    fsync_dir(store.root)


def release_hold(store: Store) -> bool:
    """Delete a hold, and return whether one existed."""
    try:
        os.unlink(f"{store.root}/{HOLD_NAME}")
    except FileNotFoundError:
        return False
    fsync_dir(store.root)
    return True


def effective_hold(store: Store) -> Hold | None:
    """Return the hold of a venv, unless another generation with a valid receipt is live.

    In that case, a rollback was killed before it switched, or an apply was killed after it
    switched and before it deleted the hold.
    """
    hold, live = read_hold(store), live_id(store)
    if hold is None or live in (None, hold.generation):
        return hold
    return None if read_receipt(store.generation(live)) else hold


def held_id(store: Store, spec: Venv) -> str:
    """Return the generation that a hold keeps for this spec, or an empty string."""
    is_possible = spec.state == "present" and not spec.ignores_hold
    hold = effective_hold(store) if is_possible else None
    return hold.generation if hold is not None and hold.spec_digest == spec_digest(spec) else ""
