"""When a generation was last verified: a note outside of it, good for telling people only."""

from __future__ import annotations

import os
from contextlib import suppress

from engine.files import private_folder, sha256, write_whole
from states import moment


def note(state: str, root: str) -> None:
    """Note that a generation was found whole just now; skipped where that cannot be written."""
    place = _place(state, root)
    with suppress(OSError):
        private_folder(os.path.dirname(place), lasting=False)
        write_whole(place, moment.now().encode(), 0o600)


def when(state: str, root: str) -> str | None:
    """Return when that was, in UTC; `None` if never."""
    try:
        with open(_place(state, root), encoding="ascii") as stream:
            noted = stream.read()
        moment.seconds_since(noted)
    except (OSError, ValueError):
        return None
    return noted


def _place(state: str, root: str) -> str:
    return os.path.join(state, "verified", sha256(root.encode())[:32])
