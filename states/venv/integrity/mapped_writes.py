"""Writes through a shared mapping (mmap(2)), which change the ctime of a file only sometimes.

The first write to a clean page changes the ctime. Later writes to the same page don't, until the
kernel has written the page to disk. So before a ctime is recorded as proof, the pages must be
synced. A file system in memory never does that: there, a ctime proves nothing.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from typing import TYPE_CHECKING

from engine.system.linux import sync_filesystem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from states.venv.integrity.manifest import Entry

_TICK_S = 0.02
"""Longer than the interval in which the kernel gives two changes the same ctime."""


def may_be_mapped(entries: Iterable[Entry]) -> bool:
    """Return whether another user than root may have a file open for writing."""
    trusted = (0, os.geteuid())
    return any(entry.kind == "f" and entry.uid not in trusted for entry in entries)


def sync_mappings(root: str) -> None:
    """Sync a generation, so that each later write through a mapping changes a ctime.

    That ctime differs from each ctime that was read before this call.
    """
    time.sleep(_TICK_S)
    sync_filesystem(root)


def ctime_shows_mapped_writes(directory: str) -> bool:
    """Test whether the file system reports writes through a mapping after a sync.

    Args:
        directory: A directory of the current user, for a temporary file. If a run is killed here,
            the next one deletes the file.

    Returns:
        The result.

    """
    descriptor, path = tempfile.mkstemp(prefix="next-", dir=directory)
    try:
        os.unlink(path)
        os.write(descriptor, b"\0")
        with mmap.mmap(descriptor, 1) as page:
            page[0] = 1
            os.fdatasync(descriptor)
            before_ns = os.fstat(descriptor).st_ctime_ns
            time.sleep(_TICK_S)
            page[0] = 2
            return os.fstat(descriptor).st_ctime_ns != before_ns
    finally:
        os.close(descriptor)
