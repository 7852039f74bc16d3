"""A seccomp filter that reports some system calls to another process, implemented with ctypes.

Source of layouts and request numbers: seccomp(2), seccomp_unotify(2), and <linux/seccomp.h>.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import struct
from typing import Final

from .syscalls import (
    IO_URING_SETUP,
    IOCTLS,
    OPEN_FLAGS_ARGUMENT,
    OPEN_WRITE_FLAGS,
    SIGNATURES,
    architecture,
    names_by_number,
)

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


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value & 0xFFFFFFFF)


def _program(*, writes: bool, reads: bool) -> bytes:
    """Return the filter. Each block ends in its own action, so that jumps stay short."""
    abi = architecture()
    if abi is None:
        raise OSError(errno.ENOSYS, "no system call table for this architecture")
    program = [
        _instruction(_LOAD, _ARCH_AT),
        _instruction(_EQUAL, abi[0], 1),
        _instruction(_RETURN, _ALLOW),
    ]
    program += [_instruction(_LOAD, _NUMBER_AT), _instruction(_EQUAL, IO_URING_SETUP, 0, 1)]
    program += [_instruction(_RETURN, _ERRNO | errno.ENOSYS)]
    for number, name in names_by_number().items():
        if name in OPEN_FLAGS_ARGUMENT and not reads:
            program += _notify_if_argument(
                number, OPEN_FLAGS_ARGUMENT[name], _ANY_BIT, (OPEN_WRITE_FLAGS,)
            )
        elif name == "ioctl":
            program += _notify_if_argument(number, 1, _EQUAL, tuple(IOCTLS))
        elif _is_reported(SIGNATURES[name].effect, writes=writes, reads=reads):
            program += [_instruction(_EQUAL, number, 0, 1), _instruction(_RETURN, _NOTIFY)]
    return b"".join([*program, _instruction(_RETURN, _ALLOW)])


def _notify_if_argument(
    number: int, position: int, test: int, values: tuple[int, ...]
) -> list[bytes]:
    """Report call `number` only if the low half of an argument passes the test for any value."""
    block = [_instruction(_LOAD, _ARGS_AT + 8 * position)]
    for value in values:
        block += [_instruction(test, value, 0, 1), _instruction(_RETURN, _NOTIFY)]
    block.append(_instruction(_RETURN, _ALLOW))
    return [_instruction(_EQUAL, number, 0, len(block)), *block]


def _is_reported(effect: str, *, writes: bool, reads: bool) -> bool:
    return {"write": writes, "read": reads}.get(effect, True)


def install(*, writes: bool, reads: bool = False) -> int:
    """Install the filter in this process and its later children, and return the listener.

    Raises:
        OSError: The kernel or the container doesn't allow it.
    """
    code = _program(writes=writes, reads=reads)
    buffer = ctypes.create_string_buffer(code, len(code))
    fprog = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    program = ctypes.create_string_buffer(fprog, len(fprog))
    if LIBC.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    abi = architecture()
    assert abi is not None
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE, _NEW_LISTENER):
        listener = int(LIBC.syscall(abi[1], _SET_MODE_FILTER, flags, program))
        if listener >= 0:
            return listener
        if ctypes.get_errno() != errno.EINVAL:
            break
    raise OSError(ctypes.get_errno(), "seccomp(SECCOMP_SET_MODE_FILTER)")


class Notification:
    """One stopped system call: the thread, the number, and the arguments."""

    __slots__ = ("arguments", "ident", "number", "pid")

    def __init__(self, raw: bytes) -> None:
        self.ident, self.pid, _flags, self.number, _arch, _ip = struct.unpack_from("=QIIiIQ", raw)
        self.arguments: tuple[int, ...] = struct.unpack_from("=6Q", raw, 32)


def receive(listener: int) -> Notification | None:
    """Return the next stopped call, or None if its process has died."""
    raw = bytearray(80)
    try:
        fcntl.ioctl(listener, _RECEIVE, raw, True)
    except OSError as failure:
        if failure.errno in (errno.ENOENT, errno.EINTR):
            return None
        raise
    return Notification(bytes(raw))


def is_pending(listener: int, notification: Notification) -> bool:
    """Return whether the call still waits. If so, data read from its process is valid."""
    try:
        fcntl.ioctl(listener, _STILL_VALID, struct.pack("=Q", notification.ident))
    except OSError:
        return False
    return True


def respond(
    listener: int, notification: Notification, *, error: int | None = None, value: int = 0
) -> None:
    """Let the call run, or return `-error` instead. `error=0` returns `value` without running it."""
    if error is None:
        response = struct.pack("=QqiI", notification.ident, 0, 0, _CONTINUE)
    else:
        response = struct.pack("=QqiI", notification.ident, value, -error, 0)
    try:
        fcntl.ioctl(listener, _SEND, response)
    except OSError as failure:
        if failure.errno != errno.ENOENT:
            raise
