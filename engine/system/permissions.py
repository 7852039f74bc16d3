"""Check which other users could replace a path that root, or the current user, relies on."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from engine.errors import PermissionDenied
from engine.system.existence import is_symlink, read_link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def untrusted_reason(status: os.stat_result, *, sticky_is_safe: bool = False) -> str:
    """Return why a directory or symlink can't be trusted, or an empty string if it can.

    It can be trusted if only root and the current user can change it. With `sticky_is_safe`,
    a sticky directory such as `/tmp` can be trusted as well.
    """
    if status.st_uid not in {0, os.geteuid()}:
        return f"owned by uid {status.st_uid}"
    sticky = sticky_is_safe and status.st_mode & stat.S_ISVTX
    if status.st_mode & 0o022 and not sticky and not stat.S_ISLNK(status.st_mode):
        return "writable by other users"
    return ""


def require_trusted_path(path: str) -> None:
    """Require, for root, that no other user can replace a path.

    Checks each directory and symlink of the path, and the target of each symlink. Missing
    directories are trusted, since converge creates them. Users other than root choose their
    own directories, so nothing is checked for them.

    Raises:
        PermissionDenied: Another user could replace files that root creates there.

    """
    if os.geteuid() != 0:
        return
    for part in sorted(_traversed(path)):
        with suppress(FileNotFoundError):
            status = os.lstat(part)
            reason = untrusted_reason(status, sticky_is_safe=True)
            if reason:
                remedy = f"run `chown -h root {part}`"
                if not stat.S_ISLNK(status.st_mode):
                    remedy += f" and `chmod go-w {part}`"
                raise PermissionDenied(
                    f"unsafe path `{part}`: {reason}, "
                    "and files that root creates there could be replaced",
                    hint=f"{remedy}, or choose another path",
                )


def require_trusted_symlinks(path: str) -> None:
    """Require, for root, that no other user owns a symlink of a path.

    This is weaker than `require_trusted_path`: the file may be in another user's directory.

    Raises:
        PermissionDenied: Another user could redirect writes by root.

    """
    if os.geteuid() != 0:
        return
    for part in sorted(filter(is_symlink, _traversed(path))):
        with suppress(FileNotFoundError):
            reason = untrusted_reason(os.lstat(part))
            if reason:
                raise PermissionDenied(
                    f"unsafe symlink `{part}`: {reason}, and writes by root could be redirected",
                    hint=f"run `chown -h root {part}`, or choose another path",
                )


def _traversed(path: str) -> set[str]:
    """Return each directory and symlink on the way to a path, including symlink targets."""
    parts: set[str] = set()
    pending = [path]
    while pending:
        for part in _with_parents(pending.pop()):
            if part not in parts:
                parts.add(part)
                target = read_link(part)
                if target:
                    pending.append(os.path.join(os.path.dirname(part), target))
    return parts


def _with_parents(path: str) -> Iterator[str]:
    while True:
        yield path
        if not path.strip("/"):
            return  # In POSIX, `//` may be a different root than `/`.
        path = os.path.dirname(path)
