"""When a generation was last verified: a note outside of it, good for telling people only."""

from __future__ import annotations

import os
from contextlib import suppress

from engine.system.files import make_private_dir, sha256, write_atomic
from states.system import timestamps


def record_verified(state: str, root: str) -> None:
    """Note that a generation was found whole just now; skipped where that cannot be written."""
    place = _place(state, root)
    with suppress(OSError):
        make_private_dir(os.path.dirname(place), durable=False)
        write_atomic(place, timestamps.now().encode(), 0o600)


def last_verified(state: str, root: str) -> str | None:
    """Return when that was, in UTC; `None` if never."""
    try:
        with open(_place(state, root), encoding="ascii") as stream:
            noted = stream.read()
        timestamps.seconds_since(noted)
    except (OSError, ValueError):
        return None
    return noted


def _place(state: str, root: str) -> str:
    return os.path.join(state, "verified", sha256(root.encode())[:32])
