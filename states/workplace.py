"""A private folder for one tool's run, gone when it ends; leftovers of killed runs go too."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def workplace(cache: str) -> Iterator[str]:
    """Make a folder below the cache, or elsewhere where the cache cannot be written."""
    folder = _make(cache)
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def writable(folder: str) -> bool:
    """Tell whether a folder can be made and written, without leaving anything else behind."""
    with suppress(OSError):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    return os.access(folder, os.W_OK | os.X_OK)


def _make(cache: str) -> str:
    above = os.path.join(cache, "work")
    if not writable(above):
        return tempfile.mkdtemp(prefix="converge-")
    for name in os.listdir(above):
        _sweep(os.path.join(above, name))
    return tempfile.mkdtemp(prefix="run-", dir=above)


def _sweep(path: str) -> None:
    """Remove the folder of a run that no longer lives: nobody holds it locked."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # One that was made this instant is not locked yet.
        if os.listdir(path):
            shutil.rmtree(path, ignore_errors=True)
    except OSError:
        return
    finally:
        os.close(descriptor)
