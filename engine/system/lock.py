"""One engine at a time on one thing, by the kernel's own lock.

`flock` belongs to the open file: it ends with the last process that has it open, so a
child that outlives a killed engine still keeps others out, and nothing is ever stale.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from contextvars import ContextVar

from engine.errors import LockTimeout
from engine.system import signals
from engine.system.files import try_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_GLANCE = 0.05
"""Seconds for which even who would not wait waits: whoever only looks takes it for a moment."""

_held: ContextVar[tuple[tuple[str, int], ...]] = ContextVar("held", default=())
"""The locks of this thread of work: paths and descriptors."""


def inherited_fds() -> tuple[int, ...]:
    """Return the descriptors that children started now must keep open."""
    return tuple(descriptor for _, descriptor in _held.get())


@contextmanager
def hold_lock(
    find: Callable[[], str | None],
    timeout: float,
    on_wait: Callable[[str], None] = lambda _message: None,
) -> Iterator[None]:
    """Hold the lock on the file that `find` names, if any.

    Waits up to `timeout` seconds, then raises `Busy`. Who held it may have removed it, with
    the folder that it is in: then `find` is asked again.
    """
    held = _acquire(find, timeout, on_wait)
    if held is None:
        yield
        return
    token = _held.set((*_held.get(), held))
    try:
        yield
    finally:
        _held.reset(token)
        os.close(held[1])


def is_held(path: str) -> bool:
    """Tell whether somebody else holds the lock right now.

    A file that is not there is not held; of one that we may not open, the kernel's list tells.
    """
    if any(path == held for held, _ in _held.get()):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except PermissionError:
        return _is_listed(path)
    try:
        try_lock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, path)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_listed(path: str) -> bool:
    from engine.system.lock_owner import lock_owners

    try:
        return bool(lock_owners(os.stat(path)))
    except OSError:
        return False


def _acquire(
    find: Callable[[], str | None], timeout: float, on_wait: Callable[[str], None]
) -> tuple[str, int] | None:
    deadline = time.monotonic() + max(timeout, _GLANCE)
    told = False
    path: str | None = None
    while True:
        try:
            path = path or find()
            if path is None:
                return None
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            if time.monotonic() >= deadline:
                raise  # the folder was not removed just now: it leads nowhere
            path = None
            time.sleep(_GLANCE)
            signals.raise_if_interrupted()
            continue
        try:
            try_lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, path)
            if _still_there(descriptor, path):
                return path, descriptor
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = _holder(descriptor)
                os.close(descriptor)
                raise _busy(path, holder, timeout) from None
            if not told:
                on_wait(f"waiting for the lock, held by {_holder(descriptor)}")
                told = True
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        time.sleep(_GLANCE)
        signals.raise_if_interrupted()


def _still_there(descriptor: int, path: str) -> bool:
    """Tell whether what we locked is what others will find: it may have been replaced."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _busy(path: str, holder: str, timeout: float) -> LockTimeout:
    return LockTimeout(
        f"`{path}` is locked by {holder}",
        hint=f"waited {timeout:g} s; wait for it to end, or raise `--lock-timeout`",
    )


def _holder(descriptor: int) -> str:
    """Describe who holds the lock: pid, user, since when, command; from /proc alone."""
    from engine.system.lock_owner import describe_process

    return describe_process(os.fstat(descriptor))
