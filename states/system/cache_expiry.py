"""Expire cache entries that haven't been used for 90 days, so that the cache doesn't fill a disk.

Downloads aren't included: uv manages its own cache (`uv cache prune`).
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_AGE_S = 90 * 86400
"""Longer than the usual time between two point releases of a service."""
_DIRECTORIES = ("bytecode", "declarations", "resolutions")


def touch(path: str) -> None:
    """Record that a cache entry was used. A read-only cache is ignored."""
    with suppress(OSError):
        os.utime(path)


def expired(cache: str) -> list[str]:
    """Return the paths of cache entries that haven't been used for 90 days, sorted."""
    oldest = time.time() - _MAX_AGE_S
    return sorted(
        path for name in _DIRECTORIES for path in _older_than(oldest, os.path.join(cache, name))
    )


def delete(paths: list[str]) -> None:
    """Delete cache entries. Each can be created again."""
    for path in paths:
        with suppress(OSError):
            os.unlink(path)


def _older_than(mtime: float, directory: str) -> Iterator[str]:
    for parent, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            with suppress(OSError):
                if os.lstat(path).st_mtime < mtime:
                    yield path
