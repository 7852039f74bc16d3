"""The system calls that change or read a file system, and which of their arguments are paths.

The numbers come from the kernel's tables for x86_64 and from the generic table that aarch64 uses.
A change through a shared memory map isn't a system call, so the supervisor doesn't see it.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import Final

AT_FDCWD: Final = -100
IO_URING_SETUP: Final = 425
"""Fails with ENOSYS in the supervised tree, because the supervisor can't see its writes."""

OPEN_WRITE_FLAGS: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
"""An open without any of these flags can't change anything."""

IOCTLS: Final = {0x40049409: "FICLONE", 0x4020940D: "FICLONERANGE", 0x40086602: "FS_IOC_SETFLAGS"}
"""Requests of ioctl(2) that change files. The filter ignores all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathArgument:
    """The argument positions of one path: a descriptor, a pointer to text, or both."""

    descriptor: int | None = None
    pointer: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One system call: its number on each machine, or None, and its path arguments."""

    x86_64: int | None
    aarch64: int | None
    paths: tuple[PathArgument, ...]
    effect: str = "change"
    """`change`, `write` (one of many writes to a file), `sync`, or `read`."""


def _path(*positions: int) -> tuple[PathArgument, ...]:
    return tuple(PathArgument(pointer=position) for position in positions)


def _at(*pairs: tuple[int, int]) -> tuple[PathArgument, ...]:
    return tuple(
        PathArgument(descriptor=descriptor, pointer=pointer) for descriptor, pointer in pairs
    )


def _fd(position: int) -> tuple[PathArgument, ...]:
    return (PathArgument(descriptor=position),)


def _signature(
    x86_64: int | None, aarch64: int | None, paths: tuple[PathArgument, ...], effect: str = "change"
) -> Signature:
    return Signature(x86_64=x86_64, aarch64=aarch64, paths=paths, effect=effect)


SIGNATURES: Final[dict[str, Signature]] = {
    "open": _signature(2, None, _path(0)),
    "creat": _signature(85, None, _path(0)),
    "openat": _signature(257, 56, _at((0, 1))),
    "openat2": _signature(437, 437, _at((0, 1))),
    "rename": _signature(82, None, _path(0, 1)),
    "renameat": _signature(264, 38, _at((0, 1), (2, 3))),
    "renameat2": _signature(316, 276, _at((0, 1), (2, 3))),
    "link": _signature(86, None, _path(1)),
    "linkat": _signature(265, 37, _at((2, 3))),
    "symlink": _signature(88, None, _path(1)),
    "symlinkat": _signature(266, 36, _at((1, 2))),
    "unlink": _signature(87, None, _path(0)),
    "unlinkat": _signature(263, 35, _at((0, 1))),
    "rmdir": _signature(84, None, _path(0)),
    "mkdir": _signature(83, None, _path(0)),
    "mkdirat": _signature(258, 34, _at((0, 1))),
    "mknod": _signature(133, None, _path(0)),
    "mknodat": _signature(259, 33, _at((0, 1))),
    "chmod": _signature(90, None, _path(0)),
    "fchmod": _signature(91, 52, _fd(0)),
    "fchmodat": _signature(268, 53, _at((0, 1))),
    "fchmodat2": _signature(452, 452, _at((0, 1))),
    "chown": _signature(92, None, _path(0)),
    "fchown": _signature(93, 55, _fd(0)),
    "lchown": _signature(94, None, _path(0)),
    "fchownat": _signature(260, 54, _at((0, 1))),
    "truncate": _signature(76, 45, _path(0)),
    "ftruncate": _signature(77, 46, _fd(0)),
    "fallocate": _signature(285, 47, _fd(0)),
    "utime": _signature(132, None, _path(0)),
    "utimes": _signature(235, None, _path(0)),
    "futimesat": _signature(261, None, _at((0, 1))),
    "utimensat": _signature(280, 88, _at((0, 1))),
    "setxattr": _signature(188, 5, _path(0)),
    "lsetxattr": _signature(189, 6, _path(0)),
    "fsetxattr": _signature(190, 7, _fd(0)),
    "setxattrat": _signature(463, 463, _at((0, 1))),
    "removexattr": _signature(197, 14, _path(0)),
    "lremovexattr": _signature(198, 15, _path(0)),
    "fremovexattr": _signature(199, 16, _fd(0)),
    "removexattrat": _signature(466, 466, _at((0, 1))),
    "ioctl": _signature(16, 29, _fd(0)),
    "mount": _signature(165, 40, _path(1)),
    "umount2": _signature(166, 39, _path(0)),
    "move_mount": _signature(429, 429, _at((2, 3))),
    "write": _signature(1, 64, _fd(0), "write"),
    "pwrite64": _signature(18, 68, _fd(0), "write"),
    "writev": _signature(20, 66, _fd(0), "write"),
    "pwritev": _signature(296, 70, _fd(0), "write"),
    "pwritev2": _signature(328, 287, _fd(0), "write"),
    "sendfile": _signature(40, 71, _fd(0), "write"),
    "splice": _signature(275, 76, _fd(2), "write"),
    "copy_file_range": _signature(326, 285, _fd(2)),
    "fsync": _signature(74, 82, _fd(0), "sync"),
    "fdatasync": _signature(75, 83, _fd(0), "sync"),
    "syncfs": _signature(306, 267, _fd(0), "sync"),
    "sync": _signature(162, 81, (), "sync"),
    "sync_file_range": _signature(277, 84, _fd(0), "sync"),
    "stat": _signature(4, None, _path(0), "read"),
    "lstat": _signature(6, None, _path(0), "read"),
    "fstat": _signature(5, 80, _fd(0), "read"),
    "newfstatat": _signature(262, 79, _at((0, 1)), "read"),
    "statx": _signature(332, 291, _at((0, 1)), "read"),
    "access": _signature(21, None, _path(0), "read"),
    "faccessat": _signature(269, 48, _at((0, 1)), "read"),
    "faccessat2": _signature(439, 439, _at((0, 1)), "read"),
    "readlink": _signature(89, None, _path(0), "read"),
    "readlinkat": _signature(267, 78, _at((0, 1)), "read"),
    "getdents64": _signature(217, 61, _fd(0), "read"),
    "read": _signature(0, 63, _fd(0), "read"),
    "pread64": _signature(17, 67, _fd(0), "read"),
}

OPEN_FLAGS_ARGUMENT: Final = {"open": 1, "openat": 2}
"""The position of the flags argument. openat2 has a pointer to its flags instead."""

_ARCHITECTURES: Final = {"x86_64": (0xC000003E, 317), "aarch64": (0xC00000B7, 277)}
"""For each machine: the AUDIT_ARCH value and the number of seccomp(2)."""


def architecture() -> tuple[int, int] | None:
    """Return the AUDIT_ARCH value and the number of seccomp(2), or None if unsupported."""
    return _ARCHITECTURES.get(platform.machine())


def names_by_number() -> dict[int, str]:
    """Return the name of every call in the table that this machine has, by number."""
    machine = platform.machine()
    pairs = ((getattr(signature, machine, None), name) for name, signature in SIGNATURES.items())
    return {number: name for number, name in pairs if number is not None}
