"""Small tmpfs mounts that a build fills up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import disks, sandbox


@contextmanager
def mounted_tmpfs(at: Path, *, kilobytes: int = 1 << 20, inodes: int = 0) -> Iterator[None]:
    """Mount a tmpfs of that size. The process must have its own mount namespace (see `workers`)."""
    options = f"size={kilobytes}k,mode=0755" + (f",nr_inodes={inodes}" if inodes else "")
    sandbox.mount("tmpfs", str(at), "tmpfs", 0, options)
    try:
        yield
    finally:
        disks.unmount(at)


def usage(at: Path) -> tuple[int, int]:
    """Return the kilobytes and the inodes in use."""
    status = os.statvfs(at)
    kilobytes = (status.f_blocks - status.f_bfree) * status.f_frsize // 1024
    return kilobytes, status.f_files - status.f_ffree
