"""When a generation was last verified: a note outside of it, good for telling people only."""

from __future__ import annotations

import datetime
import os
from contextlib import suppress

from engine.files import sha256, write_durably


def note(state: str, root: str) -> None:
    """Note that a generation was found whole just now; skipped where that cannot be written."""
    place = _place(state, root)
    moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    with suppress(OSError):
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        write_durably(place, moment.encode(), 0o600)


def when(state: str, root: str) -> str | None:
    """Return when that was, in UTC; `None` if never."""
    try:
        with open(_place(state, root), encoding="ascii") as stream:
            moment = stream.read()
        datetime.datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ")
    except (OSError, ValueError):
        return None
    return moment


def _place(state: str, root: str) -> str:
    return os.path.join(state, "verified", sha256(root.encode())[:32])
