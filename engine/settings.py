"""What a run was told on the command line and by its surroundings."""

from __future__ import annotations

import os
import stat

from engine.errors import PermissionDenied, UsageError
from engine.frozen import frozen
from engine.system.permissions import untrusted_reason


@frozen
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


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def places() -> tuple[str, str]:
    """Return the folders for cache and state.

    `CONVERGE_CACHE_DIR` and `CONVERGE_STATE_DIR` win; root has the folders of the File
    Hierarchy Standard, others those of the XDG Base Directory Specification. Raises
    `Forbidden` where anybody else could write into one of them: what is remembered there
    decides what is run.
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
    return _ours(cache, "CONVERGE_CACHE_DIR"), _ours(state, "CONVERGE_STATE_DIR")


def _ours(default: str, variable: str) -> str:
    folder = os.environ.get(variable) or default
    if not os.path.isabs(folder):
        raise UsageError(
            f"`{folder}` is another folder wherever converge is called",
            hint=f"set `{variable}` to an absolute path",
        )
    folder = os.path.normpath(folder)
    try:
        found = os.lstat(folder)
        what = untrusted_reason(found)
        if not what and stat.S_ISLNK(found.st_mode):
            what = untrusted_reason(os.stat(folder))
    except OSError:
        return folder  # whoever needs it makes it (`engine.system.files.make_private_dir`)
    if what:
        raise PermissionDenied(
            f"unsafe: `{folder}` {what}; what is remembered there decides what is run",
            hint=f"nobody knows who wrote what is in it: name another by `{variable}`",
        )
    return folder
