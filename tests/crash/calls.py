"""A description of one stopped system call: its name, its paths, and its effect on them."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .seccomp import Notification
from .syscalls import (
    AT_FDCWD,
    OPEN_FLAGS_ARGUMENT,
    OPEN_WRITE_FLAGS,
    SIGNATURES,
    PathArgument,
    names_by_number,
)

_NAMES: Final = names_by_number()
_PAGE: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemCall:
    """A system call that changes files, before it runs."""

    number: int
    """Number of counted calls that the tree made before this one."""
    name: str
    effect: str
    """`change`, `write`, `sync`, `read`, or `noop`.

    A `noop` changes nothing, for example if it opens an existing file, creates an existing
    directory, or deletes a missing file.
    """
    paths: tuple[str, ...]
    pid: int
    """The thread ID. `process_of` returns the process ID."""

    def __str__(self) -> str:
        return f"#{self.number} {self.name} {' '.join(self.paths)}".rstrip()


def count_all(_call: SystemCall) -> bool:
    """Count every call below the roots of a scenario."""
    return True


def describe(
    notification: Notification, number: int, roots: Sequence[str] | None
) -> SystemCall | None:
    """Return the call of `notification`, or None if it changes nothing below `roots`."""
    name = _NAMES[notification.number]
    signature = SIGNATURES[name]
    if signature.effect == "read" or (name in OPEN_FLAGS_ARGUMENT and not _may_write(notification)):
        return _describe_read(notification, number, roots or ("",))
    try:
        paths = tuple(_path(notification, argument) for argument in signature.paths)
        effect = _open_effect(notification, name, paths) if name in _OPENS else signature.effect
        if name in _FAILS_IF_EXISTS and os.path.lexists(paths[0]) is _FAILS_IF_EXISTS[name]:
            effect = "noop"
    except (OSError, struct.error):
        return None
    if effect is None or (roots is not None and paths and not _below(paths, roots)):
        return None
    return SystemCall(number=number, name=name, effect=effect, paths=paths, pid=notification.pid)


def _may_write(notification: Notification) -> bool:
    position = OPEN_FLAGS_ARGUMENT[_NAMES[notification.number]]
    return bool(notification.arguments[position] & OPEN_WRITE_FLAGS)


def _describe_read(
    notification: Notification, number: int, roots: Sequence[str]
) -> SystemCall | None:
    """Return a call that reads, or None if its path isn't below `roots`.

    A run makes many thousands of them, so symlinks in the path aren't resolved.
    """
    name = _NAMES[notification.number]
    (argument,) = SIGNATURES[name].paths
    try:
        path = _given_path(notification, argument)
    except (OSError, struct.error):
        return None
    if not _below((path,), roots):
        return None
    return SystemCall(number=number, name=name, effect="read", paths=(path,), pid=notification.pid)


def _given_path(notification: Notification, argument: PathArgument) -> str:
    """Return the path of one argument as the process gave it, or that of its descriptor."""
    path = ""
    if argument.pointer is not None and notification.arguments[argument.pointer]:
        path = os.fsdecode(_read_string(notification.pid, notification.arguments[argument.pointer]))
    if path.startswith("/"):
        return path
    base = _directory_of(notification, argument)
    return os.path.join(base, path) if path else base


_FAILS_IF_EXISTS: Final = {
    **dict.fromkeys(("mkdir", "mkdirat", "symlink", "symlinkat", "mknod", "mknodat"), True),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), False),
}
"""Calls that fail without a change if their path exists (True) or doesn't exist (False)."""

_OPENS: Final = {"open", "openat", "openat2", "creat"}


def _open_effect(notification: Notification, name: str, paths: tuple[str, ...]) -> str | None:
    if name == "openat2":
        flags = struct.unpack("=Q", read_process(notification.pid, notification.arguments[2], 8))[0]
        if not flags & OPEN_WRITE_FLAGS:
            return None
    elif name == "creat":
        flags = os.O_CREAT | os.O_TRUNC
    else:
        flags = notification.arguments[OPEN_FLAGS_ARGUMENT[name]]
    if flags & os.O_TRUNC or flags & os.O_TMPFILE == os.O_TMPFILE:
        return "change"
    return "noop" if os.path.lexists(paths[0]) or not flags & os.O_CREAT else "change"


def _path(notification: Notification, argument: PathArgument) -> str:
    """Return the absolute path of one argument. Resolve symlinks in all parts but the last."""
    path = _given_path(notification, argument)
    directory, last = os.path.split(path.rstrip("/") or "/")
    return os.path.join(os.path.realpath(directory), last) if last else "/"


def _directory_of(notification: Notification, argument: PathArgument) -> str:
    descriptor = AT_FDCWD
    if argument.descriptor is not None:
        register = struct.pack("=Q", notification.arguments[argument.descriptor])
        descriptor = struct.unpack("=i", register[:4])[0]
    link = "cwd" if descriptor == AT_FDCWD else f"fd/{descriptor}"
    return os.readlink(f"/proc/{notification.pid}/{link}").removesuffix(" (deleted)")


def read_process(pid: int, address: int, size: int) -> bytes:
    """Return bytes of a stopped process. Shorter than `size` only at the end of a mapping."""
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, size, address)
    finally:
        os.close(descriptor)


def _read_string(pid: int, address: int) -> bytes:
    """Return the zero-terminated string at `address`.

    Read page by page, because the next page might not be mapped.
    """
    data = b""
    while b"\0" not in data and len(data) < 2 * _PAGE:
        start = address + len(data)
        data += read_process(pid, start, _PAGE - start % _PAGE)
    return data.partition(b"\0")[0]


def _below(paths: Sequence[str], roots: Sequence[str]) -> bool:
    return any(path == root or path.startswith(root + "/") for path in paths for root in roots)


def process_of(thread: int) -> int:
    """Return the ID of the process that a thread belongs to."""
    with open(f"/proc/{thread}/status", encoding="ascii", errors="replace") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Tgid:"))
