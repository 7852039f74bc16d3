"""Empty a cache after a power failure, for a tool that doesn't sync what it writes.

While the tool uses the cache, and until its writes are synced, a marker exists whose name
begins with the kernel's boot ID (random(4)). If the marker of an earlier boot exists, the power
failed and the cache may contain torn files.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from engine.system.background import run_now
from engine.system.files import make_private_dir
from engine.system.linux import boot_id, sync_filesystem
from engine.system.lock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.system.background import Start


@contextmanager
def open_cache(cache: str, start: Start = run_now) -> Iterator[None]:
    """Mark a cache as being written, and empty it first if a power failure may have torn it.

    Several processes may use the cache at a time. Each has its own marker, locked while the
    process runs. If a process is killed, its marker remains until another process syncs the
    cache.

    Args:
        cache: The directory of the cache.
        start: Runs the sync at the end.

    Yields:
        Nothing. The caller may write to the cache.

    Raises:
        OSError: The cache can't be emptied or synced. If the sync fails, the marker remains,
            so the cache is emptied after a reboot.

    """
    markers = f"{cache}-unflushed"
    make_private_dir(markers)
    # In a chroot without /proc the boot is unknown: a torn cache isn't detected there.
    boot = boot_id() or os.urandom(16).hex()
    with _lock_directory(markers) as directory:
        if any(not name.startswith(boot) for name in _abandoned(markers)):
            _empty(cache)
            _sync(cache, markers)
            _delete_markers(markers)
        marker = _create_marker(f"{markers}/{boot}-{os.urandom(4).hex()}")
        os.fsync(directory.descriptor)
    try:
        yield
    except BaseException:
        marker.close()
        raise
    start(partial(_unmark, cache, markers, marker))


def _unmark(cache: str, markers: str, marker: FileLock) -> None:
    """Delete a marker, and those of processes that have ended, once their writes are synced.

    Others can open the cache during the sync.

    Args:
        cache: The directory of the cache.
        markers: That of the markers.
        marker: The marker, which is closed.

    Raises:
        OSError: The sync failed, and all markers remain.

    """
    with marker:
        with _lock_directory(markers):
            abandoned = _abandoned(markers)
        # INVARIANT: a marker is deleted only after a sync that began when its process had ended.
        _sync(cache, markers)
        with _lock_directory(markers):
            for name in (*abandoned, os.path.basename(marker.path)):
                with suppress(FileNotFoundError):  # Another process synced the cache as well.
                    os.unlink(f"{markers}/{name}")


def _empty(directory: str) -> None:
    """Delete the content of a directory. The directory may be a symlink or a mount point."""
    with suppress(FileNotFoundError):
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)


def _sync(cache: str, markers: str) -> None:
    """Sync the file system of the cache, which may differ from the one of its markers."""
    try:
        sync_filesystem(cache)
    except FileNotFoundError:
        sync_filesystem(markers)  # Another process deleted the cache.


def _create_marker(path: str) -> FileLock:
    """Create a marker that is locked while this process runs."""
    marker = FileLock(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    marker.acquire()
    return marker


def _delete_markers(markers: str) -> None:
    """Delete the unlocked markers: the writes of their processes are synced or deleted."""
    for name in _abandoned(markers):
        os.unlink(f"{markers}/{name}")


def _abandoned(markers: str) -> list[str]:
    """Return the markers whose processes have ended, on any host that shares the cache."""
    names = []
    for name in os.listdir(markers):
        with FileLock(f"{markers}/{name}", os.O_RDONLY | os.O_NOFOLLOW) as marker:
            if marker.try_acquire():
                names.append(name)
    return names


@contextmanager
def _lock_directory(path: str) -> Iterator[FileLock]:
    with FileLock(path, os.O_RDONLY | os.O_DIRECTORY) as lock:
        lock.acquire()
        yield lock
