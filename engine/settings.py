"""What a run was told on the command line and by its surroundings."""

from __future__ import annotations

import os

from engine.value import value


@value
class Settings:
    """Given to the composition root, which makes the kinds with it."""

    cache: str
    """Folder for what can be fetched or computed again; private to the user."""
    state: str
    """Folder for notes that must outlive a restart; losing them costs only speed."""
    upgrade: frozenset[str] | None = None
    """Names for which remembered choices are forgotten; empty means all of them."""
    locking: bool = False
    """Whether lock files are being made: then they need not be there yet, and count for nothing."""


def places() -> tuple[str, str]:
    """Return the folders for cache and state.

    `CONVERGE_CACHE_DIR` and `CONVERGE_STATE_DIR` win; root has the folders of the File
    Hierarchy Standard, others those of the XDG Base Directory Specification.
    """
    if os.geteuid() == 0:
        cache, state = "/var/cache/converge", "/var/lib/converge"
    else:
        home = os.path.expanduser("~")
        cache = os.path.join(
            os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"), "converge"
        )
        state = os.path.join(
            os.environ.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state"), "converge"
        )
    return (
        os.path.abspath(os.environ.get("CONVERGE_CACHE_DIR") or cache),
        os.path.abspath(os.environ.get("CONVERGE_STATE_DIR") or state),
    )
