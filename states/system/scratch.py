"""Private scratch directories for tools, deleted at the end of the run or by a later one."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from engine.system.files import make_private_dir
from engine.system.lock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def scratch_dir(cache: str) -> Iterator[str]:
    """Create a scratch directory in the cache, or in a temporary directory if it is read-only.

    If the process is killed, the next scratch directory in the same cache deletes this one.
    """
    parent = os.path.join(cache, "work")
    if writable_dir(parent):
        lock = _create_locked(parent)
        path = lock.path
    else:
        lock = None
        path = tempfile.mkdtemp(prefix="converge-", dir=_temporary_dir())
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            lock.close()


@contextmanager
def scratch_dir_in(parent: str) -> Iterator[str]:
    """Create a scratch directory in a locked directory whose unfinished entries are deleted."""
    path = tempfile.mkdtemp(prefix="next-", dir=parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def writable_dir(path: str) -> bool:
    """Create a directory if it doesn't exist, and return whether it is writable."""
    with suppress(OSError):
        make_private_dir(path, durable=False)
    return os.access(path, os.W_OK | os.X_OK)


def _temporary_dir() -> str:
    """Return the directory for temporary files.

    `tempfile.gettempdir` can't be used: during a build, it returns a scratch directory.
    """
    candidates = filter(None, (os.environ.get("TMPDIR"), "/tmp", "/var/tmp"))
    return next((path for path in candidates if os.access(path, os.W_OK | os.X_OK)), "/tmp")


def _create_locked(parent: str) -> FileLock:
    """Create a directory that stays locked while this process runs, and delete abandoned ones.

    The lock of the parent makes creating and locking one step for other processes.
    """
    with FileLock(parent) as parent_lock:
        parent_lock.acquire()
        for name in os.listdir(parent):
            _delete_abandoned(os.path.join(parent, name))
        lock = FileLock(tempfile.mkdtemp(prefix="run-", dir=parent))
        lock.acquire()
        return lock


def _delete_abandoned(path: str) -> None:
    with suppress(OSError), FileLock(path) as lock:
        if lock.try_acquire():
            shutil.rmtree(path, ignore_errors=True)
