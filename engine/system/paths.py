"""Directories for the cache and the state, and the canonical form of a directory's path."""

from __future__ import annotations

import os
import stat

from engine.errors import PermissionDenied, UsageError
from engine.system.permissions import untrusted_reason


def absolute(folder: str) -> str:
    """Return the absolute path of a folder, in the one form by which its files are known.

    `..` behind a symlink leads elsewhere than the words say.
    """
    return os.path.realpath(folder) if ".." in folder.split("/") else os.path.abspath(folder)


def cache_and_state_dirs() -> tuple[str, str]:
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
