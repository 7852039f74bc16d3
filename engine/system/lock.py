"""Locks between processes, by flock(2).

The lock belongs to the open file. The kernel releases it when the last process that has the
file open exits. So the child of a killed run still excludes other runs, and no lock is stale.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager
from contextvars import ContextVar

from engine.errors import LockTimeout
from engine.system import signals
from engine.system.existence import status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from typing_extensions import Self

_RETRY_S = 0.05
"""Seconds between two attempts. Also the minimum wait, since `is_held` takes the lock briefly."""
_DIRECTORY_RETRY_S = 0.01
"""Seconds between two attempts to lock a directory, which takes as long as one write."""


class FileLock:
    """An open file or directory that can be locked. A context manager that closes it.

    Args:
        path: The file. It must exist, unless `flags` contain O_CREAT.
        flags: Flags for open(2), by default read-only. NFS grants an exclusive lock only on a
            file that is open for writing.

    Raises:
        OSError: The file can't be opened.

    """

    def __init__(self, path: str, flags: int = os.O_RDONLY) -> None:
        self.path = path
        self.descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. A child process that inherited it keeps the lock."""
        os.close(self.descriptor)

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock without waiting, and return whether that succeeded.

        Raises:
            OSError: The file system doesn't support locks, or its server is unreachable.

        """
        try:
            self._flock((fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self, timeout_s: float | None = None) -> None:
        """Take the lock, and wait for it.

        Args:
            timeout_s: Maximum wait in seconds. None waits indefinitely.

        Raises:
            BlockingIOError: Another process holds the lock after the timeout.
            OSError: As for `try_acquire`.

        """
        if timeout_s is None:
            self._flock(fcntl.LOCK_EX)
            return
        deadline = time.monotonic() + timeout_s
        while not self.try_acquire():
            if time.monotonic() >= deadline:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), self.path)
            time.sleep(_DIRECTORY_RETRY_S)

    def release(self) -> None:
        """Release the lock in every process that inherited the open file."""
        self._flock(fcntl.LOCK_UN)

    def is_current(self) -> bool:
        """Return whether the path still names this file: it can be deleted or replaced."""
        try:
            return os.path.samestat(os.fstat(self.descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _flock(self, operation: int) -> None:
        try:
            # Python retries the call after a signal whose handler returns (PEP 475).
            fcntl.flock(self.descriptor, operation)
        except OSError as error:
            error.filename = self.path
            raise


_held: ContextVar[tuple[FileLock, ...]] = ContextVar("held", default=())
"""The locks that the current task holds."""


def inherited_fds() -> tuple[int, ...]:
    """Return the descriptors of the current task's locks, for child processes to inherit."""
    return tuple(lock.descriptor for lock in _held.get())


@contextmanager
def hold_lock(
    find_path: Callable[[], str | None],
    timeout_s: float,
    on_wait: Callable[[str], None] = lambda _message: None,
) -> Iterator[None]:
    """Hold an exclusive lock on a file, which is created if it doesn't exist.

    Args:
        find_path: Returns the path of the file, or None if no lock is needed. Called
            again if the holder deleted the directory of the file before releasing the lock.
        timeout_s: Maximum wait in seconds. Even if it is 0, the lock is tried for 50 ms.
        on_wait: Called once with a message if another process holds the lock.

    Yields:
        Nothing. Child processes started in this context can inherit the lock.

    Raises:
        LockTimeout: Another process holds the lock after the timeout.
        Interrupted: A signal arrived during the wait.
        OSError: The file can't be created or locked.

    """
    lock = _acquire(find_path, timeout_s, on_wait)
    if lock is None:
        yield
        return
    with lock:
        token = _held.set((*_held.get(), lock))
        try:
            yield
        finally:
            _held.reset(token)


def is_held(path: str) -> bool:
    """Return whether another process or task holds a lock on a file.

    A missing file isn't locked. For a file that the current user can't open, the kernel's
    list of locks is searched.
    """
    if any(lock.path == path for lock in _held.get()):
        return False
    try:
        lock = FileLock(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except PermissionError:
        return _is_listed(path)
    with lock:
        return not lock.try_acquire(shared=True)


def _is_listed(path: str) -> bool:
    # Imported here and below: only an unavailable lock needs the list of processes.
    from engine.system.processes import flock_owners

    file = status(path)
    return file is not None and bool(flock_owners(file))


def _acquire(
    find_path: Callable[[], str | None], timeout_s: float, on_wait: Callable[[str], None]
) -> FileLock | None:
    # Each attempt opens the file again: it may have been replaced.
    deadline = time.monotonic() + max(timeout_s, _RETRY_S)
    path: str | None = None
    reported = False

    def on_busy(lock: FileLock) -> None:
        nonlocal reported
        if time.monotonic() >= deadline:
            raise _timeout_error(lock, timeout_s)
        if not reported:
            on_wait(f"waiting for the lock, held by {_describe_owners(lock)}")
            reported = True

    while True:
        try:
            path = path or find_path()
            if path is None:
                return None
            lock = FileLock(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        except FileNotFoundError:
            if time.monotonic() >= deadline:
                raise
            path = None  # The holder deleted the directory.
        else:
            if _try_current(lock, on_busy):
                return lock
        time.sleep(_RETRY_S)
        signals.raise_if_interrupted()


def _try_current(lock: FileLock, on_busy: Callable[[FileLock], None]) -> bool:
    """Lock a file if its path still names it. Otherwise close it."""
    try:
        if not lock.try_acquire():
            on_busy(lock)
        elif lock.is_current():
            return True
    except BaseException:
        lock.close()
        raise
    lock.close()
    return False


def _timeout_error(lock: FileLock, timeout_s: float) -> LockTimeout:
    return LockTimeout(
        f"`{lock.path}` is locked by {_describe_owners(lock)}",
        hint=f"waited {round(timeout_s, 1):g} s; try again later, or raise `--lock-timeout`",
    )


def _describe_owners(lock: FileLock) -> str:
    from engine.system.processes import describe_lock_owners

    return describe_lock_owners(os.fstat(lock.descriptor))
