"""The system calls that change a file system, and where each keeps the paths it works on.

Numbers are from the kernel's own tables for x86_64 and for the generic table that aarch64 uses.
Changes made through a shared memory map are no system call and stay unseen.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import Final

AT_FDCWD: Final = -100
IO_URING_SETUP: Final = 425
"""Refused with ENOSYS in the supervised tree: its writes would pass unseen."""

OPEN_FLAGS: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
"""An open with none of these cannot change anything."""

IOCTLS: Final = {0x40049409: "FICLONE", 0x4020940D: "FICLONERANGE", 0x40086602: "FS_IOC_SETFLAGS"}
"""Requests of ioctl(2) that change files; all others are not looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Argument positions of one path: a folder's descriptor, a pointer to text, or both."""

    folder: int | None = None
    text: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One system call: its number on each machine (None: not there) and its paths."""

    x86_64: int | None
    aarch64: int | None
    places: tuple[Place, ...]
    effect: str = "change"
    """``change``, ``write`` (of bytes, one of many for each file) or ``flush``."""


def _path(*positions: int) -> tuple[Place, ...]:
    return tuple(Place(text=position) for position in positions)


def _at(*pairs: tuple[int, int]) -> tuple[Place, ...]:
    return tuple(Place(folder=folder, text=text) for folder, text in pairs)


def _fd(position: int) -> tuple[Place, ...]:
    return (Place(folder=position),)


def _shape(
    x86_64: int | None, aarch64: int | None, places: tuple[Place, ...], effect: str = "change"
) -> Shape:
    return Shape(x86_64=x86_64, aarch64=aarch64, places=places, effect=effect)


SHAPES: Final[dict[str, Shape]] = {
    "open": _shape(2, None, _path(0)),
    "creat": _shape(85, None, _path(0)),
    "openat": _shape(257, 56, _at((0, 1))),
    "openat2": _shape(437, 437, _at((0, 1))),
    "rename": _shape(82, None, _path(0, 1)),
    "renameat": _shape(264, 38, _at((0, 1), (2, 3))),
    "renameat2": _shape(316, 276, _at((0, 1), (2, 3))),
    "link": _shape(86, None, _path(1)),
    "linkat": _shape(265, 37, _at((2, 3))),
    "symlink": _shape(88, None, _path(1)),
    "symlinkat": _shape(266, 36, _at((1, 2))),
    "unlink": _shape(87, None, _path(0)),
    "unlinkat": _shape(263, 35, _at((0, 1))),
    "rmdir": _shape(84, None, _path(0)),
    "mkdir": _shape(83, None, _path(0)),
    "mkdirat": _shape(258, 34, _at((0, 1))),
    "mknod": _shape(133, None, _path(0)),
    "mknodat": _shape(259, 33, _at((0, 1))),
    "chmod": _shape(90, None, _path(0)),
    "fchmod": _shape(91, 52, _fd(0)),
    "fchmodat": _shape(268, 53, _at((0, 1))),
    "fchmodat2": _shape(452, 452, _at((0, 1))),
    "chown": _shape(92, None, _path(0)),
    "fchown": _shape(93, 55, _fd(0)),
    "lchown": _shape(94, None, _path(0)),
    "fchownat": _shape(260, 54, _at((0, 1))),
    "truncate": _shape(76, 45, _path(0)),
    "ftruncate": _shape(77, 46, _fd(0)),
    "fallocate": _shape(285, 47, _fd(0)),
    "utime": _shape(132, None, _path(0)),
    "utimes": _shape(235, None, _path(0)),
    "futimesat": _shape(261, None, _at((0, 1))),
    "utimensat": _shape(280, 88, _at((0, 1))),
    "setxattr": _shape(188, 5, _path(0)),
    "lsetxattr": _shape(189, 6, _path(0)),
    "fsetxattr": _shape(190, 7, _fd(0)),
    "setxattrat": _shape(463, 463, _at((0, 1))),
    "removexattr": _shape(197, 14, _path(0)),
    "lremovexattr": _shape(198, 15, _path(0)),
    "fremovexattr": _shape(199, 16, _fd(0)),
    "removexattrat": _shape(466, 466, _at((0, 1))),
    "ioctl": _shape(16, 29, _fd(0)),
    "mount": _shape(165, 40, _path(1)),
    "umount2": _shape(166, 39, _path(0)),
    "move_mount": _shape(429, 429, _at((2, 3))),
    "write": _shape(1, 64, _fd(0), "write"),
    "pwrite64": _shape(18, 68, _fd(0), "write"),
    "writev": _shape(20, 66, _fd(0), "write"),
    "pwritev": _shape(296, 70, _fd(0), "write"),
    "pwritev2": _shape(328, 287, _fd(0), "write"),
    "sendfile": _shape(40, 71, _fd(0), "write"),
    "splice": _shape(275, 76, _fd(2), "write"),
    "copy_file_range": _shape(326, 285, _fd(2)),
    "fsync": _shape(74, 82, _fd(0), "flush"),
    "fdatasync": _shape(75, 83, _fd(0), "flush"),
    "syncfs": _shape(306, 267, _fd(0), "flush"),
    "sync": _shape(162, 81, (), "flush"),
    "sync_file_range": _shape(277, 84, _fd(0), "flush"),
}

OPEN_FLAGS_AT: Final = {"open": 1, "openat": 2}
"""Which argument holds the flags; openat2 keeps them behind a pointer."""

_MACHINES: Final = {"x86_64": (0xC000003E, 317), "aarch64": (0xC00000B7, 277)}
"""For each machine: the audit name of its calling convention, the number of seccomp(2)."""


def machine() -> tuple[int, int] | None:
    """Audit architecture and the number of seccomp(2); None on a machine not in the table."""
    return _MACHINES.get(platform.machine())


def numbers() -> dict[int, str]:
    """Number to name of every call in the table that this machine has."""
    own = platform.machine()
    pairs = ((getattr(shape, own, None), name) for name, shape in SHAPES.items())
    return {number: name for number, name in pairs if number is not None}
