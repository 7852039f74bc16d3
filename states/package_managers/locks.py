"""Exclude the package managers of the distribution while files beside theirs are moved."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from engine.errors import LockTimeout
from engine.system import signals
from engine.system.existence import entry_exists
from states.package_managers.owners import lock_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TIMEOUT_S = 10.0
"""Seconds to wait for a package manager. A query takes the lock briefly."""
_RETRY_S = 0.1


@contextmanager
def excluded_package_managers() -> Iterator[None]:
    """Hold the locks of dpkg, rpm, and apk, as far as they exist and this process is root.

    A package manager writes the files of a package before its list of them. Without the lock,
    such a file would look like one that no package owns. The kernel releases the locks if the
    process is killed.

    Raises:
        LockTimeout: A package manager is running, and didn't finish in time.
        Interrupted: A signal was received.
        OSError: A lock can't be taken.

    """
    with ExitStack() as stack:
        for path in lock_files() if os.geteuid() == 0 else []:
            if entry_exists(path):
                _take(path, stack)
        yield


def _take(path: str, stack: ExitStack) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.EROFS:
            return  # No package manager can change this system either.
        raise
    stack.callback(os.close, descriptor)
    lock = fcntl.flock if "/apk/" in path else fcntl.lockf
    deadline = time.monotonic() + _TIMEOUT_S
    while not _try(lambda: lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)):
        if time.monotonic() >= deadline:
            raise LockTimeout(
                f"a package manager is running: `{path}` is locked",
                hint="run the command again when it has finished",
            )
        signals.raise_if_interrupted()
        time.sleep(_RETRY_S)


def _try(lock: Callable[[], None]) -> bool:
    """Return whether a call took a lock. Another process may hold it."""
    try:
        lock()
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True
