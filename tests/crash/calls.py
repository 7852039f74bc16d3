"""One stopped system call in words: its name, its paths, and what it would do to them."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .seccomp import Notice
from .syscalls import AT_FDCWD, OPEN_FLAGS, OPEN_FLAGS_AT, SHAPES, Place, numbers

_NAMES: Final = numbers()
_PAGE: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that would change files, before it does."""

    number: int
    """How many counted calls the tree was allowed before this one."""
    name: str
    effect: str
    """``change``, ``write``, ``flush``, or ``touch``: a call that by itself changes nothing,
    as opening what exists, making a folder that is there, or removing what is not."""
    paths: tuple[str, ...]
    pid: int
    """Of the thread; ``leader`` tells its process."""

    def __str__(self) -> str:
        return f"#{self.number} {self.name} {' '.join(self.paths)}".rstrip()


def describe(notice: Notice, number: int, roots: Sequence[str] | None) -> Call | None:
    """The call behind ``notice``; None if it changes nothing or touches nothing below ``roots``."""
    name = _NAMES[notice.number]
    shape = SHAPES[name]
    try:
        paths = tuple(_path(notice, place) for place in shape.places)
        effect = _open_effect(notice, name, paths) if name in _OPENS else shape.effect
        if name in _REFUSED_IF_THERE and os.path.lexists(paths[0]) is _REFUSED_IF_THERE[name]:
            effect = "touch"
    except (OSError, struct.error):
        return None
    if effect is None or (roots is not None and paths and not _below(paths, roots)):
        return None
    return Call(number=number, name=name, effect=effect, paths=paths, pid=notice.pid)


_REFUSED_IF_THERE: Final = {
    **dict.fromkeys(("mkdir", "mkdirat", "symlink", "symlinkat", "mknod", "mknodat"), True),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), False),
}
"""Calls that fail, and so change nothing, when their path is there (or is not)."""

_OPENS: Final = {"open", "openat", "openat2", "creat"}


def _open_effect(notice: Notice, name: str, paths: tuple[str, ...]) -> str | None:
    if name == "openat2":
        flags = struct.unpack("=Q", memory(notice.pid, notice.arguments[2], 8))[0]
        if not flags & OPEN_FLAGS:
            return None
    elif name == "creat":
        flags = os.O_CREAT | os.O_TRUNC
    else:
        flags = notice.arguments[OPEN_FLAGS_AT[name]]
    if flags & os.O_TRUNC or flags & os.O_TMPFILE == os.O_TMPFILE:
        return "change"
    return "touch" if os.path.lexists(paths[0]) or not flags & os.O_CREAT else "change"


def _path(notice: Notice, place: Place) -> str:
    """The absolute path of one argument, its folder free of symlinks, its last part as given."""
    text = ""
    if place.text is not None and notice.arguments[place.text]:
        text = os.fsdecode(_text(notice.pid, notice.arguments[place.text]))
    if not text.startswith("/"):
        text = os.path.join(_folder(notice, place), text) if text else _folder(notice, place)
    folder, last = os.path.split(text.rstrip("/") or "/")
    return os.path.join(os.path.realpath(folder), last) if last else "/"


def _folder(notice: Notice, place: Place) -> str:
    given = AT_FDCWD
    if place.folder is not None:
        given = struct.unpack("=i", struct.pack("=Q", notice.arguments[place.folder])[:4])[0]
    link = "cwd" if given == AT_FDCWD else f"fd/{given}"
    return os.readlink(f"/proc/{notice.pid}/{link}").removesuffix(" (deleted)")


def memory(pid: int, address: int, size: int) -> bytes:
    """Bytes of a stopped process; fewer than ``size`` only where its memory ends."""
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, size, address)
    finally:
        os.close(descriptor)


def _text(pid: int, address: int) -> bytes:
    """The zero-terminated string at ``address``, read page by page: the next may not exist."""
    found = b""
    while b"\0" not in found and len(found) < 2 * _PAGE:
        here = address + len(found)
        found += memory(pid, here, _PAGE - here % _PAGE)
    return found.partition(b"\0")[0]


def _below(paths: Sequence[str], roots: Sequence[str]) -> bool:
    return any(path == root or path.startswith(root + "/") for path in paths for root in roots)


def leader(thread: int) -> int:
    """The process that a thread belongs to."""
    with open(f"/proc/{thread}/status", encoding="ascii", errors="replace") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Tgid:"))
