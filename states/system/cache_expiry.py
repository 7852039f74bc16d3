"""What is remembered but was not used for long: a cache that only grows fills a disk in the end.

Downloads are not among it: they are uv's, and `uv cache` knows them.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LONG = 90 * 86400
"""In seconds: longer than from one release of a service to the next point release."""
_KEPT = ("bytecode", "declarations")


def touch(path: str) -> None:
    """Note that a file of the cache was of use just now; skipped where that cannot be noted."""
    with suppress(OSError):
        os.utime(path)


def expired(cache: str) -> list[str]:
    """Return the files of the cache that were of no use to anybody for 90 days, sorted."""
    oldest = time.time() - _LONG
    return sorted(one for name in _KEPT for one in _older(os.path.join(cache, name), oldest))


def delete(paths: list[str]) -> None:
    """Remove such files: they can all be made again."""
    for path in paths:
        with suppress(OSError):
            os.unlink(path)


def _older(folder: str, oldest: float) -> Iterator[str]:
    for above, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(above, name)
            with suppress(OSError):
                if os.lstat(path).st_mtime < oldest:
                    yield path
