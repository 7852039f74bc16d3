"""System calls and kernel facts that only Linux has.

This module and `processes` are the only ones that a port to another platform has to replace.
The C library is loaded on first use: a no-op run doesn't need it.
"""

from __future__ import annotations

import errno
import os
import re
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
"""Number of the system call by machine. musl before 1.2.6 has no function for it."""
_STATX = {"x86_64": 332, "aarch64": 291}
_AT_SYMLINK_NOFOLLOW, _AT_NO_AUTOMOUNT = 0x100, 0x800
_STATX_ATTR_MOUNT_ROOT = 0x2000
CAP_CHOWN = 0
"""The capability to change the owner of any file."""


def cpu_count() -> int:
    """Return the number of CPUs that this process may use (sched_getaffinity(2))."""
    return len(os.sched_getaffinity(0))


def boot_id() -> str | None:
    """Return the random ID of this boot (random(4)), or None if `/proc` isn't mounted."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def has_capability(number: int) -> bool:
    """Return whether this process has a capability (capabilities(7)).

    Without `/proc`, root counts as having all of them.
    """
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            effective = next(line for line in file if line.startswith("CapEff:"))
    except (FileNotFoundError, StopIteration):
        return os.geteuid() == 0
    return bool(int(effective.split()[1], 16) >> number & 1)


def mount_points() -> list[bytes] | None:
    """Return every mount point that this process sees, or None if `/proc` isn't mounted.

    A mount point is the fifth field of a line in proc_pid_mountinfo(5). White space and
    backslashes are escaped in octal.
    """
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            fields = [line.split()[4] for line in file]
    except FileNotFoundError:
        return None
    return [
        re.sub(rb"\\(\d{3})", lambda match: bytes([int(match[1], 8)]), field) for field in fields
    ]


def is_mount_point(path: str) -> bool:
    """Return whether a file system is mounted at a path, without `/proc` (statx(2)).

    This also detects a bind mount of the same file system, and one over a file.

    Raises:
        OSError: The answer isn't known. Before Linux 5.8, the errno is EOPNOTSUPP.

    """
    import ctypes

    buffer = ctypes.create_string_buffer(256)
    flags = _AT_SYMLINK_NOFOLLOW | _AT_NO_AUTOMOUNT
    if _statx(_libc())(_AT_FDCWD, os.fsencode(path), flags, 0, buffer) != 0:
        raise _last_error(path)
    attributes = int.from_bytes(buffer.raw[8:16], sys.byteorder)
    supported = int.from_bytes(buffer.raw[56:64], sys.byteorder)
    if not supported & _STATX_ATTR_MOUNT_ROOT:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), path)
    return bool(attributes & _STATX_ATTR_MOUNT_ROOT)


def sync_filesystem(path: str) -> None:
    """Sync the file system that contains `path` (syncfs(2)).

    For thousands of files, one call takes a tenth of the time of an fsync for each file.

    Raises:
        OSError: The path doesn't exist, or the file system lost a write.

    """
    with syncing(path) as sync:
        sync()


@contextmanager
def syncing(path: str) -> Iterator[Callable[[], None]]:
    """Yield a function that syncs the file system of `path` (syncfs(2)).

    The function raises OSError for any write lost since this context was entered. The kernel
    reports a lost write once per open file (errseq_t), and not to a file opened after the
    first report. So enter the context before the first write.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def sync() -> None:
        if _libc().syncfs(descriptor) != 0:
            raise _last_error(path)

    try:
        yield sync
    finally:
        os.close(descriptor)


def exchange_names(first: str, second: str) -> None:
    """Swap two directory entries atomically (renameat2(2) with RENAME_EXCHANGE).

    Raises:
        OSError: Nothing was changed. If the file system doesn't support the call, the errno is
            EOPNOTSUPP. If the kernel or the C library doesn't, it is ENOSYS.

    """
    rename = _renameat2(_libc())
    arguments = (_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)
    if rename(*arguments) != 0:
        error = _last_error(first)
        if error.errno == errno.EINVAL:  # The file system doesn't support this flag.
            error = OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), first)
        raise error


def _renameat2(libc: ctypes.CDLL) -> Callable[..., int]:
    return _function(libc, "renameat2", _RENAMEAT2)


def _statx(libc: ctypes.CDLL) -> Callable[..., int]:
    return _function(libc, "statx", _STATX)


def _function(libc: ctypes.CDLL, name: str, numbers: dict[str, int]) -> Callable[..., int]:
    """Return a function of the C library, or the system call itself.

    Args:
        libc: The C library.
        name: The name of both.
        numbers: The number of the system call by machine.

    Returns:
        The function.

    Raises:
        OSError: Neither is known. The errno is ENOSYS.

    """
    if hasattr(libc, name):
        return getattr(libc, name)  # type: ignore[no-any-return]
    number = numbers.get(os.uname().machine)
    if number is None or sys.maxsize < 1 << 32:  # A 32-bit process has other numbers.
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return partial(libc.syscall, number)


def _libc() -> ctypes.CDLL:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _last_error(path: str) -> OSError:
    import ctypes

    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path)
