"""A cache whose user flushes nothing is emptied after a power cut, which may have torn it.

While it is used, and until what was written is flushed, a mark with the kernel's boot id
(random(4)) lies beside it. A mark of another boot is there only because the power went.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress

from engine.system.files import make_private_dir, try_lock
from engine.system.linux import sync_filesystem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


@contextmanager
def open_cache(cache: str) -> Iterator[None]:
    """Mark a cache as being written, having emptied it if it cannot be trusted."""
    marks = f"{cache}-unflushed"
    make_private_dir(marks)
    boot = _boot()
    with _alone(marks) as folder:
        if any(not name.startswith(boot) for name in _abandoned(marks)):
            _empty(cache)
            _flush(cache, marks)
            _unmark(marks)
        descriptor = _mark(f"{marks}/{boot}-{os.urandom(4).hex()}")
        os.fsync(folder)
    try:
        yield
        # Where that fails the mark stays: what was written is not believed after a reboot.
        with _alone(marks):
            _flush(cache, marks)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            _unmark(marks)
    finally:
        os.close(descriptor)


def _boot() -> str:
    """Return the id of this boot; where nothing tells it, one of which no mark is."""
    try:
        with open(_BOOT_ID, encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return os.urandom(16).hex()  # as in a chroot without /proc: what was torn is not known


def _empty(folder: str) -> None:
    """Remove what is in a folder, but not the folder: it may be a symlink, or be mounted."""
    with suppress(FileNotFoundError):
        for one in os.scandir(folder):
            if one.is_dir(follow_symlinks=False):
                shutil.rmtree(one.path)
            else:
                os.unlink(one.path)


def _flush(cache: str, marks: str) -> None:
    """Flush the file system of the cache, which may be another one than that of its marks."""
    try:
        sync_filesystem(cache)
    except FileNotFoundError:
        sync_filesystem(marks)  # somebody removed the cache meanwhile


def _mark(path: str) -> int:
    """Make a mark that is locked as long as its maker lives."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try_lock(descriptor, fcntl.LOCK_EX, path)
    return descriptor


def _unmark(marks: str) -> None:
    """Remove the marks that nobody holds: what their makers wrote was just flushed, or is gone."""
    for name in _abandoned(marks):
        os.unlink(f"{marks}/{name}")


def _abandoned(marks: str) -> list[str]:
    """Return the marks whose makers live no more, on this host or on one that shares the cache."""
    found = []
    for name in os.listdir(marks):
        descriptor = os.open(f"{marks}/{name}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found.append(name)
        finally:
            os.close(descriptor)
    return found


@contextmanager
def _alone(folder: str) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try_lock(descriptor, fcntl.LOCK_EX, folder)
        yield descriptor
    finally:
        os.close(descriptor)
