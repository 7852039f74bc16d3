"""Who else could change what lies at a path: for places that decide what root, or we, run."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from engine.errors import PermissionDenied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def untrusted_reason(found: os.stat_result, *, sticky_is_safe: bool = False) -> str:
    """Say who else may change a folder or a symlink; empty for nobody but root and us."""
    if found.st_uid not in {0, os.geteuid()}:
        return f"belongs to uid {found.st_uid}"
    sticky = sticky_is_safe and found.st_mode & stat.S_ISVTX
    if found.st_mode & 0o022 and not sticky and not stat.S_ISLNK(found.st_mode):
        return "is writable for others"
    return ""


def require_trusted_path(path: str) -> None:
    """Refuse, as root, a path that somebody else could exchange under our hands.

    Looks at each folder and symlink by the way, and at what they lead to; what is not there
    yet is made by us. Raises `Forbidden`. Others than root answer for the folders they name.
    """
    if os.geteuid() != 0:
        return
    for place in sorted(_passed(path)):
        with suppress(FileNotFoundError):
            found = os.lstat(place)
            what = untrusted_reason(found, sticky_is_safe=True)
            if what:
                mend = f"`chown -h root {place}`"
                if not stat.S_ISLNK(found.st_mode):
                    mend += f" and `chmod go-w {place}`"
                raise PermissionDenied(
                    f"unsafe: `{place}` {what}, who could replace what root puts below it",
                    hint=f"{mend}, or choose another path",
                )


def require_trusted_symlinks(path: str) -> None:
    """Refuse, as root, a path by which a symlink of somebody else's leads. Raises `Forbidden`.

    Less than `refuse_exchangeable`: for what may be put into a folder of theirs.
    """
    if os.geteuid() != 0:
        return
    for place in sorted(filter(os.path.islink, _passed(path))):
        with suppress(FileNotFoundError):
            what = untrusted_reason(os.lstat(place))
            if what:
                raise PermissionDenied(
                    f"unsafe: the symlink `{place}` {what}, who could lead root elsewhere by it",
                    hint=f"`chown -h root {place}`, or choose another path",
                )


def _passed(path: str) -> set[str]:
    """Return each folder and symlink by which a path is reached, wherever symlinks lead."""
    seen: set[str] = set()
    pending = [path]
    while pending:
        for place in _upwards(pending.pop()):
            if place not in seen:
                seen.add(place)
                with suppress(OSError):  # it is no symlink
                    pending.append(os.path.join(os.path.dirname(place), os.readlink(place)))
    return seen


def _upwards(path: str) -> Iterator[str]:
    while True:
        yield path
        if not path.strip("/"):
            return  # POSIX lets two slashes be another root than one
        path = os.path.dirname(path)
