"""The faults that the supervisor can inject at one system call.

An errno is injected only into calls that can return it. For example, an unlink never needs disk
space.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .calls import SystemCall, count_all, process_of, read_process
from .seccomp import LIBC
from .supervisor import Action, Continue, Fail, Kill, ProcessTree
from .syscalls import names_by_number

_OPENS: Final = {"open", "openat", "openat2", "creat"}
_NEEDS_NO_SPACE: Final = {
    "unlink",
    "unlinkat",
    "rmdir",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "utime",
    "utimes",
    "futimesat",
    "utimensat",
    "ftruncate",
    "truncate",
}
_PIDFD_OPEN, _PIDFD_GETFD = 434, 438
_NAMES: Final = names_by_number()
ERRNOS: Final = ("ENOSPC", "EIO", "EMFILE", "EROFS")
SIGNALS: Final = ("SIGTERM", "SIGINT", "SIGHUP")
LOST_SYNC: Final = "lost sync"
"""EIO at a sync only. Data written before it might be lost."""
FAULTS: Final = ("kill", "torn", LOST_SYNC, *ERRNOS, "ENOSPC+", "EROFS+", *SIGNALS)
"""`+` fails this call and every later one that can return the errno."""
READ_ERRNOS: Final = ("EIO", "EACCES", "ESTALE", "EMFILE", "ENOMEM", "EINTR")
READ_FAULTS: Final = tuple(f"read {name}" for name in READ_ERRNOS)
"""Errors of calls that read. They can't be the errors of the same call that changes a file."""
_ON_OPEN_FILES: Final = {"read", "pread64", "getdents64", "fstat"}
"""Calls on an open file, which can't fail for lack of a permission."""
_INTERRUPTIBLE: Final = {*_OPENS, "read", "pread64", "getdents64"}


def can_hit(kind: str, call: SystemCall) -> bool:
    """Return whether fault `kind` is possible at `call`."""
    name = kind.rstrip("+")
    if is_read_fault(kind) or call.effect == "read":
        return is_read_fault(kind) and call.effect == "read" and _can_read_fail(name, call)
    if kind == "torn":
        return call.name in ("write", "pwrite64")
    if kind == LOST_SYNC:
        return call.effect == "sync"
    if name == "EMFILE":
        return call.name in _OPENS
    if name == "ENOSPC":
        return call.effect in ("change", "write", "sync") and call.name not in _NEEDS_NO_SPACE
    if name == "EROFS":
        return call.effect in ("change", "noop", "write")
    if name == "EIO":
        return True
    return call.effect != "noop"


def is_read_fault(kind: str) -> bool:
    """Return whether a fault fails a call that reads."""
    return kind.startswith("read ")


def _can_read_fail(kind: str, call: SystemCall) -> bool:
    name = kind.removeprefix("read ")
    if name == "EMFILE":
        return call.name in _OPENS
    if name == "EINTR":
        return call.name in _INTERRUPTIBLE
    return name != "EACCES" or call.name not in _ON_OPEN_FILES


@dataclass(slots=True, kw_only=True)
class Fault:
    """A supervisor callback that injects one fault at call number `at`.

    Only calls at which the fault is possible are counted, from 0.
    """

    kind: str
    at: int
    counts: Callable[[SystemCall], bool] = count_all
    """Return whether a call counts."""
    counted: int = 0
    hit_call: SystemCall | None = None
    """The call that was hit. None if the run ended before."""

    @property
    def error(self) -> int:
        """The errno of the call, or 0 if the fault kills or signals the command."""
        name = "EIO" if self.kind == LOST_SYNC else self.kind.rstrip("+").removeprefix("read ")
        return int(getattr(errno, name)) if name in (*ERRNOS, *READ_ERRNOS) else 0

    def __call__(self, call: SystemCall, tree: ProcessTree) -> Action:
        """Count the call, and inject the fault if its number is `at`."""
        if not (can_hit(self.kind, call) and self.counts(call)):
            return Continue()
        position, self.counted = self.counted, self.counted + 1
        if position != self.at and not (position > self.at and self.kind.endswith("+")):
            return Continue()
        self.hit_call = self.hit_call or call
        return self._inject(tree)

    def _inject(self, tree: ProcessTree) -> Action:
        if self.kind == "kill":
            return Kill()
        if self.kind == "torn":
            _write_half(tree)
            return Kill()
        if self.kind in SIGNALS:
            tree.signal_command(getattr(signal, self.kind))
            return Continue()
        return Fail(errno=self.error)


def _write_half(tree: ProcessTree) -> None:
    """Write the first half of the data, as a kill or a power cut might leave it."""
    notification = tree.notification
    assert notification is not None
    descriptor, address, size = notification.arguments[:3]
    half = read_process(notification.pid, address, size // 2)
    descriptor_number = ctypes.c_int(struct.unpack("=i", struct.pack("=Q", descriptor)[:4])[0])
    process = LIBC.syscall(_PIDFD_OPEN, process_of(notification.pid), 0)
    if process < 0:
        raise OSError(ctypes.get_errno(), "pidfd_open")
    duplicate = LIBC.syscall(_PIDFD_GETFD, process, descriptor_number, 0)
    os.close(process)
    if duplicate < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    try:
        if stat.S_ISREG(os.fstat(duplicate).st_mode):
            if _NAMES[notification.number] == "pwrite64":
                os.pwrite(duplicate, half, notification.arguments[3])
            else:
                os.write(duplicate, half)
    finally:
        os.close(duplicate)
