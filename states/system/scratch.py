"""A private folder for one tool's run, gone when it ends; leftovers of killed runs go too."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress

from engine.system.files import make_private_dir, try_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def scratch_dir(cache: str) -> Iterator[str]:
    """Make a folder below the cache, or elsewhere where the cache cannot be written."""
    above = os.path.join(cache, "work")
    if writable_dir(above):
        folder, lock = _locked(above)
    else:
        folder, lock = tempfile.mkdtemp(prefix="converge-", dir=_elsewhere()), None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


@contextmanager
def scratch_dir_in(folder: str) -> Iterator[str]:
    """Make a folder in one whose leftovers somebody else removes, and which is locked."""
    made = tempfile.mkdtemp(prefix="next-", dir=folder)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def writable_dir(folder: str) -> bool:
    """Tell whether a folder can be made and written, without leaving anything else behind."""
    with suppress(OSError):
        make_private_dir(folder, durable=False)
    return os.access(folder, os.W_OK | os.X_OK)


def _elsewhere() -> str:
    """Return a folder for what is temporary, other than `tempfile` chooses.

    While a venv is made, that is told to choose a folder which is gone soon (`bare.create`).
    """
    places = filter(None, (os.environ.get("TMPDIR"), "/tmp", "/var/tmp"))
    return next((one for one in places if os.access(one, os.W_OK | os.X_OK)), "/tmp")


def _locked(above: str) -> tuple[str, int]:
    """Make a folder that is ours as long as we live, and remove those whose makers do not.

    Making and locking are one step for others: they hold the lock of the folder above.
    """
    gate = os.open(above, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try_lock(gate, fcntl.LOCK_EX, above)
        for name in os.listdir(above):
            _sweep(os.path.join(above, name))
        folder = tempfile.mkdtemp(prefix="run-", dir=above)
        lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try_lock(lock, fcntl.LOCK_EX, folder)
        return folder, lock
    finally:
        os.close(gate)


def _sweep(path: str) -> None:
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    except OSError:
        return  # somebody works there
    finally:
        os.close(lock)
