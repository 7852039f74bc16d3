"""Expire cache entries that haven't been used for 90 days, so that the cache doesn't fill a disk.

Downloads aren't included: uv manages its own cache (`uv cache prune`). A cache for builds with
certain variables expires as a whole.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.system.existence import listdir_or_empty

if TYPE_CHECKING:
    from collections.abc import Iterator

_DAY_S = 86400
_MAX_AGE_S = 90 * _DAY_S
"""Longer than the usual time between two point releases of a service."""
_DIRECTORIES = ("bytecode", "declarations", "resolutions", "system")
BUILDS = "uv-builds"
"""The directory with one cache of uv for each set of variables."""


def touch(path: str) -> None:
    """Record the day on which a cache entry was used. A read-only cache is ignored."""
    with suppress(OSError):
        # Changing a time can wait for the journal of the file system, which a sync writes.
        if abs(time.time() - os.stat(path).st_mtime) > _DAY_S:
            os.utime(path)


def expired(cache: str) -> list[str]:
    """Return the paths of cache entries that haven't been used for 90 days, sorted."""
    oldest = time.time() - _MAX_AGE_S
    files = (
        path for name in _DIRECTORIES for path in _older_than(oldest, os.path.join(cache, name))
    )
    builds = (path for path in _children(os.path.join(cache, BUILDS)) if _is_older(path, oldest))
    return sorted([*files, *builds])


def delete(paths: list[str]) -> None:
    """Delete cache entries. Each can be created again."""
    for path in paths:
        if os.path.dirname(path).endswith(f"/{BUILDS}"):
            shutil.rmtree(path, ignore_errors=True)
            continue
        with suppress(OSError):
            os.unlink(path)


def _older_than(mtime: float, directory: str) -> Iterator[str]:
    for parent, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            if _is_older(path, mtime):
                yield path


def _children(directory: str) -> Iterator[str]:
    for name in listdir_or_empty(directory):
        yield os.path.join(directory, name)


def _is_older(path: str, mtime: float) -> bool:
    with suppress(OSError):
        return os.lstat(path).st_mtime < mtime
    return False
