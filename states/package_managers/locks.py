"""Exclude the package managers of the distribution while files beside theirs are moved."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from engine.errors import LockTimeout
from engine.system.existence import entry_exists
from states.package_managers.owners import lock_files

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def excluded_package_managers() -> Iterator[None]:
    """Hold the locks of dpkg, rpm, and apk, as far as they exist and this process is root.

    A package manager writes the files of a package before its list of them. Without the lock,
    such a file would look like one that no package owns. The kernel releases the locks if the
    process is killed.

    Raises:
        LockTimeout: A package manager is running.
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
    try:
        lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        raise LockTimeout(
            f"a package manager is running: `{path}` is locked",
            hint="run the command again when it has finished",
        ) from None
