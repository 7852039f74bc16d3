"""Writing so that it is there, whole, after the power went; and the two odd system calls."""

from __future__ import annotations

import hashlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


def sha256(data: bytes) -> str:
    """Return the hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def write_durably(path: str, data: bytes, mode: int = 0o644) -> None:
    """Replace a file as a whole: aside, flushed, renamed, and its folder flushed.

    Whoever reads sees the old content or the new. The aside name begins with `.next-`, and
    is nobody else's: threads of ours may write the same file. What a killed process left
    of the same file goes.
    """
    folder, name = os.path.split(path)
    prefix = f".next-{name}-"
    for left in os.listdir(folder):
        maker = left.removeprefix(prefix).partition("-")[0]
        if left.startswith(prefix) and not os.path.exists(f"/proc/{maker}"):
            os.unlink(os.path.join(folder, left))
    aside = os.path.join(folder, f"{prefix}{os.getpid()}-{os.urandom(4).hex()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)
        write_all(descriptor, data)
        os.fsync(descriptor)
    except BaseException:
        os.unlink(aside)
        raise
    finally:
        os.close(descriptor)
    os.rename(aside, path)
    flush_folder(folder)


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything: a single `write` may be cut short without an error."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def flush_folder(path: str) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_file_system(path: str) -> None:
    """Flush the whole file system that holds `path` (syncfs(2)); raises `OSError`.

    One call for thousands of files costs a tenth of an fsync for each.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = _libc()
        if libc.syncfs(descriptor) != 0:
            raise _last_error(path)
    finally:
        os.close(descriptor)


def exchange(one: str, other: str) -> None:
    """Swap two names in one step (renameat2(2) with RENAME_EXCHANGE); raises `OSError`."""
    libc = _libc()
    names = os.fsencode(one), os.fsencode(other)
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) != 0:
        raise _last_error(one)


def _libc() -> ctypes.CDLL:
    # Imported here: a run with nothing to do does not need it.
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _last_error(path: str) -> OSError:
    import ctypes

    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path)
