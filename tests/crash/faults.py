"""What may go wrong at one system call, as decisions for the supervisor.

An errno is given only to calls that can return it: a full disk does not refuse an unlink.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import stat
import struct
from dataclasses import dataclass
from typing import Final

from .calls import Call, leader, memory
from .seccomp import LIBC
from .supervisor import Answer, Fail, Go, Kill, Tree
from .syscalls import numbers

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
_NAMES: Final = numbers()
ERRNOS: Final = ("ENOSPC", "EIO", "EMFILE", "EROFS")
SIGNALS: Final = ("SIGTERM", "SIGINT", "SIGHUP")
LOSS: Final = "lost flush"
"""EIO, and only where something is flushed: what was written before may be lost."""
KINDS: Final = ("kill", "torn", LOSS, *ERRNOS, "ENOSPC+", "EROFS+", *SIGNALS)
"""``+`` means: this call and every later one that can return it."""


def can_meet(kind: str, call: Call) -> bool:
    """Whether fault ``kind`` is possible at ``call``."""
    name = kind.rstrip("+")
    if kind == "torn":
        return call.name in ("write", "pwrite64")
    if kind == LOSS:
        return call.effect == "flush"
    if name == "EMFILE":
        return call.name in _OPENS
    if name == "ENOSPC":
        return call.effect in ("change", "write", "flush") and call.name not in _NEEDS_NO_SPACE
    if name == "EROFS":
        return call.effect in ("change", "touch", "write")
    if name == "EIO":
        return True
    return call.effect != "touch"


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault of ``kind`` at the ``at``-th call (from 0) that can meet it; a decision."""

    kind: str
    at: int
    seen: int = 0
    struck: Call | None = None
    """The call it happened at; None if the run ended before."""

    @property
    def error(self) -> int:
        """The errno given to the call; 0 if the fault is an end of the command."""
        name = "EIO" if self.kind == LOSS else self.kind.rstrip("+")
        return int(getattr(errno, name)) if name in ERRNOS else 0

    def __call__(self, call: Call, tree: Tree) -> Answer:
        """Count the call, and strike when its turn has come."""
        if not can_meet(self.kind, call):
            return Go()
        turn, self.seen = self.seen, self.seen + 1
        if turn != self.at and not (turn > self.at and self.kind.endswith("+")):
            return Go()
        self.struck = self.struck or call
        return self._strike(tree)

    def _strike(self, tree: Tree) -> Answer:
        if self.kind == "kill":
            return Kill()
        if self.kind == "torn":
            _write_half(tree)
            return Kill()
        if self.kind in SIGNALS:
            tree.signal_main(getattr(signal, self.kind))
            return Go()
        return Fail(errno=self.error)


def _write_half(tree: Tree) -> None:
    """Do the first half of the stopped write in its stead, as a power cut or kill may leave it."""
    notice = tree.notice
    assert notice is not None
    descriptor, address, size = notice.arguments[:3]
    half = memory(notice.pid, address, size // 2)
    with_number = ctypes.c_int(struct.unpack("=i", struct.pack("=Q", descriptor)[:4])[0])
    process = LIBC.syscall(_PIDFD_OPEN, leader(notice.pid), 0)
    if process < 0:
        raise OSError(ctypes.get_errno(), "pidfd_open")
    twin = LIBC.syscall(_PIDFD_GETFD, process, with_number, 0)
    os.close(process)
    if twin < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    try:
        if stat.S_ISREG(os.fstat(twin).st_mode):
            if _NAMES[notice.number] == "pwrite64":
                os.pwrite(twin, half, notice.arguments[3])
            else:
                os.write(twin, half)
    finally:
        os.close(twin)
