"""What a run was told on the command line and by its surroundings."""

from __future__ import annotations

import os

from engine.frozen import frozen


@frozen
class Settings:
    """Given to the composition root, which makes the kinds with it."""

    cache: str
    """Folder for what can be fetched or computed again; private to the user."""
    state: str
    """Folder for notes that must outlive a restart; losing them costs only speed."""
    upgrade: frozenset[str] | None = None
    """Names for which remembered choices are forgotten; empty means all of them."""
    compiling_lockfiles: bool = False
    """Whether lock files are being made: then they need not be there yet, and count for nothing."""


def cpu_count() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))
