"""Replace a file so that readers see either the old or the new content."""

from __future__ import annotations

import os
from contextlib import suppress

from engine.system.files import write_all
from engine.system.lock import FileLock

_WRITE_TIMEOUT_S = 5
"""Maximum wait in seconds for another writer in a directory."""


def write_atomic(
    path: str, data: bytes, mode: int = 0o644, *, durable: bool = False, locked: bool = False
) -> None:
    """Replace a file: write a temporary file in its directory, and rename it.

    Readers see either the old or the new content. A lock on the directory allows one writer
    at a time. So the temporary name is fixed, and the next writer replaces the file of a
    writer that was killed. It never reuses that file: in a shared directory, another user
    may own it.

    Args:
        path: The file. A symlink is replaced, not followed.
        data: The new content.
        mode: The permissions, independent of the umask.
        durable: Whether to sync the file before the rename, and the directory after it.
        locked: Whether the caller holds a lock that excludes other writers. If False, any user
            who can read the directory can delay the write for up to five seconds.

    Raises:
        OSError: The file can't be written. The previous content remains. If another process
            keeps the directory locked, it is a `BlockingIOError`.

    """
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".next-{name}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with FileLock(directory, os.O_RDONLY | os.O_DIRECTORY) as lock:
        if not locked:
            lock.acquire(_WRITE_TIMEOUT_S)
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        descriptor = os.open(temporary, flags, mode)
        try:
            try:
                os.fchmod(descriptor, mode)
                write_all(descriptor, data)
                if durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, path)
        except BaseException as error:
            os.unlink(temporary)
            if isinstance(error, OSError) and error.filename is None:
                error.filename = path  # The error of write(2) doesn't name the file.
            raise
        if durable:
            os.fsync(lock.descriptor)
