"""A seccomp filter that hands chosen system calls to another process, through ctypes alone.

Layouts and request numbers: seccomp(2), seccomp_unotify(2) and <linux/seccomp.h>.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import struct
from typing import Final

from .syscalls import IO_URING_SETUP, IOCTLS, OPEN_FLAGS, OPEN_FLAGS_AT, SHAPES, machine, numbers

LIBC: Final = ctypes.CDLL(None, use_errno=True)

_RECEIVE: Final = 0xC0502100
_SEND: Final = 0xC0182101
_STILL_VALID: Final = 0x40082102
_CONTINUE: Final = 1
_SET_MODE_FILTER: Final = 1
_NEW_LISTENER: Final = 1 << 3
_WAIT_KILLABLE: Final = 1 << 5
_NO_NEW_PRIVS: Final = 38

_ALLOW: Final = 0x7FFF0000
_NOTIFY: Final = 0x7FC00000
_ERRNO: Final = 0x00050000

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGS_AT = 0, 4, 16


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value & 0xFFFFFFFF)


def _program(*, writes: bool) -> bytes:
    """The filter: small blocks, each ending in its own verdict, so that no jump is long."""
    own = machine()
    if own is None:
        raise OSError(errno.ENOSYS, "no system call table for this machine")
    ops = [_op(_LOAD, _ARCH_AT), _op(_EQUAL, own[0], 1), _op(_RETURN, _ALLOW)]
    ops += [_op(_LOAD, _NUMBER_AT), _op(_EQUAL, IO_URING_SETUP, 0, 1)]
    ops += [_op(_RETURN, _ERRNO | errno.ENOSYS)]
    for number, name in numbers().items():
        if name in OPEN_FLAGS_AT:
            ops += _when_argument(number, OPEN_FLAGS_AT[name], _ANY_BIT, (OPEN_FLAGS,))
        elif name == "ioctl":
            ops += _when_argument(number, 1, _EQUAL, tuple(IOCTLS))
        elif writes or not _writes_bytes(name):
            ops += [_op(_EQUAL, number, 0, 1), _op(_RETURN, _NOTIFY)]
    return b"".join([*ops, _op(_RETURN, _ALLOW)])


def _when_argument(number: int, position: int, test: int, values: tuple[int, ...]) -> list[bytes]:
    """Notify of ``number`` only if the low half of an argument passes the test for any value."""
    block = [_op(_LOAD, _ARGS_AT + 8 * position)]
    for value in values:
        block += [_op(test, value, 0, 1), _op(_RETURN, _NOTIFY)]
    block.append(_op(_RETURN, _ALLOW))
    return [_op(_EQUAL, number, 0, len(block)), *block]


def _writes_bytes(name: str) -> bool:
    return SHAPES[name].effect == "write"


def install(*, writes: bool) -> int:
    """Put the filter on this process and all it will start; returns the listener's descriptor.

    Raises OSError where the kernel or the container refuses.
    """
    code = _program(writes=writes)
    buffer = ctypes.create_string_buffer(code, len(code))
    holder = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    program = ctypes.create_string_buffer(holder, len(holder))
    if LIBC.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    own = machine()
    assert own is not None
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE, _NEW_LISTENER):
        listener = int(LIBC.syscall(own[1], _SET_MODE_FILTER, flags, program))
        if listener >= 0:
            return listener
        if ctypes.get_errno() != errno.EINVAL:
            break
    raise OSError(ctypes.get_errno(), "seccomp(SECCOMP_SET_MODE_FILTER)")


class Notice:
    """One stopped system call: who, which number, which arguments."""

    __slots__ = ("arguments", "ident", "number", "pid")

    def __init__(self, raw: bytes) -> None:
        self.ident, self.pid, _flags, self.number, _arch, _ip = struct.unpack_from("=QIIiIQ", raw)
        self.arguments: tuple[int, ...] = struct.unpack_from("=6Q", raw, 32)


def receive(listener: int) -> Notice | None:
    """The next stopped call; None if its process died meanwhile."""
    raw = bytearray(80)
    try:
        fcntl.ioctl(listener, _RECEIVE, raw, True)
    except OSError as problem:
        if problem.errno in (errno.ENOENT, errno.EINTR):
            return None
        raise
    return Notice(bytes(raw))


def still_stopped(listener: int, notice: Notice) -> bool:
    """Whether the process of ``notice`` still waits, so that what was read from it is true."""
    try:
        fcntl.ioctl(listener, _STILL_VALID, struct.pack("=Q", notice.ident))
    except OSError:
        return False
    return True


def answer(listener: int, notice: Notice, *, error: int | None = None, value: int = 0) -> None:
    """Let the call run (no ``error``), or return ``-error`` to it; ``error=0`` fakes ``value``."""
    if error is None:
        response = struct.pack("=QqiI", notice.ident, 0, 0, _CONTINUE)
    else:
        response = struct.pack("=QqiI", notice.ident, value, -error, 0)
    try:
        fcntl.ioctl(listener, _SEND, response)
    except OSError as problem:
        if problem.errno != errno.ENOENT:
            raise
