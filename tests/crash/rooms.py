"""File systems with little room, mounted where the venvs go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import cage, disks


@contextmanager
def small(at: Path, *, kilobytes: int = 1 << 20, inodes: int = 0) -> Iterator[None]:
    """A tmpfs of that size at ``at``; for processes with mounts of their own (``workers``)."""
    options = f"size={kilobytes}k,mode=0755" + (f",nr_inodes={inodes}" if inodes else "")
    cage.mount("tmpfs", str(at), "tmpfs", 0, options)
    try:
        yield
    finally:
        disks.unmount(at)


def used(at: Path) -> tuple[int, int]:
    """Kilobytes and inodes in use."""
    status = os.statvfs(at)
    kilobytes = (status.f_blocks - status.f_bfree) * status.f_frsize // 1024
    return kilobytes, status.f_files - status.f_ffree
