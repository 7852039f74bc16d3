"""Record when a generation was last verified. For people: no decision depends on it."""

from __future__ import annotations

import os
from contextlib import suppress

from engine.system.atomic_write import write_atomic
from engine.system.files import make_private_dir, sha256
from states.system import timestamps


def record_verified(state: str, root: str) -> None:
    """Record that a generation was verified now. Does nothing if the record isn't writable."""
    path = _record_path(state, root)
    with suppress(OSError):
        make_private_dir(os.path.dirname(path), durable=False)
        write_atomic(path, timestamps.now().encode(), 0o600)


def last_verified(state: str, root: str) -> str | None:
    """Return the time of the last verification in UTC, or None."""
    try:
        with open(_record_path(state, root), encoding="ascii") as stream:
            time = stream.read()
        timestamps.seconds_since(time)
    except (OSError, ValueError):
        return None
    return time


def _record_path(state: str, root: str) -> str:
    return os.path.join(state, "verified", sha256(root.encode())[:32])
