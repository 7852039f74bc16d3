"""The two system calls that Python has no function for: syncfs(2) and renameat2(2)."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable, Iterator

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100
_RENAMEAT2 = {"x86_64": 316, "aarch64": 276}
"""The number of the system call, for a C library without a function for it, as musl's was long."""


def sync_filesystem(path: str) -> None:
    """Flush the whole file system that holds `path` (syncfs(2)); raises `OSError`.

    One call for thousands of files costs a tenth of an fsync for each.
    """
    with syncing(path) as flush:
        flush()


@contextmanager
def syncing(path: str) -> Iterator[Callable[[], None]]:
    """Yield what does so, and raises `OSError` for whatever was lost from now on.

    The kernel tells of a loss once to each open file (errseq), and to none that was opened
    after somebody was told: so this is to be opened before anything is written.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def flush() -> None:
        if _libc().syncfs(descriptor) != 0:
            raise _last_error(path)

    try:
        yield flush
    finally:
        os.close(descriptor)


def exchange_names(one: str, other: str) -> None:
    """Swap two names in one step (renameat2(2) with RENAME_EXCHANGE); raises `OSError`."""
    rename = _renameat2(_libc())
    names = os.fsencode(one), os.fsencode(other)
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) != 0:
        error = _last_error(one)
        if error.errno == errno.EINVAL:  # so a file system says that it cannot do that
            error = OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), one)
        raise error


def _renameat2(libc: ctypes.CDLL) -> Callable[..., int]:
    if hasattr(libc, "renameat2"):
        return libc.renameat2
    number = _RENAMEAT2.get(os.uname().machine)
    if number is None or sys.maxsize < 1 << 32:  # numbers are others for 32 bits
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return partial(libc.syscall, number)


def _libc() -> ctypes.CDLL:
    # Imported here: a run with nothing to do does not need it.
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _last_error(path: str) -> OSError:
    import ctypes

    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path)
