"""Check which other users could replace a path that root, or the current user, relies on."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from engine.errors import PermissionDenied
from engine.system.existence import (
    MAX_SYMLINKS,
    entry_exists,
    is_directory,
    is_symlink,
    lstat,
    nearest_existing,
    read_link,
    resolve,
)
from engine.system.files import make_dirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def untrusted_reason(status: os.stat_result, *, sticky_is_safe: bool = False) -> str:
    """Return why a directory or symlink can't be trusted, or an empty string if it can.

    It can be trusted if only root and the current user can change it. With `sticky_is_safe`,
    a sticky directory such as `/tmp` can be trusted as well.
    """
    if status.st_uid not in {0, os.geteuid()} and not is_unmapped_user(status.st_uid):
        return f"owned by uid {status.st_uid}"
    sticky = sticky_is_safe and status.st_mode & stat.S_ISVTX
    if status.st_mode & 0o022 and not sticky and not stat.S_ISLNK(status.st_mode):
        return "writable by other users"
    return ""


def require_trusted_path(path: str, *, must_exist: bool = False) -> None:
    """Require, for root, that no other user can replace a path.

    Checks each directory and symlink of the path, and the target of each symlink. Users other
    than root choose their own directories, so nothing is checked for them.

    Args:
        path: The path.
        must_exist: Whether a missing directory is an error. If not, it is trusted, but another
            user may create it at any time.

    Raises:
        PermissionDenied: Another user could replace files that root creates there.
        FileNotFoundError: A directory must exist, and doesn't.

    """
    if os.geteuid() != 0:
        return
    for part in sorted(traversed_parts(path)):
        try:
            _require_trusted(part, os.lstat(part))
        except FileNotFoundError:
            if must_exist:
                raise


def make_trusted_dirs(directory: str) -> None:
    """Create a directory and its missing parents, as root only in trusted directories.

    Each part is created in a parent that was checked, and is checked itself before the next one.
    After that, no other user can redirect the path: each part belongs to root, and is in a
    directory where others can't replace it.

    Raises:
        PermissionDenied: Another user could redirect the path, or has just created a part of it.

    """
    if os.geteuid() == 0:
        _make_trusted(directory, MAX_SYMLINKS)
    else:
        make_dirs(resolve(directory))


def _make_trusted(directory: str, max_symlinks: int) -> None:
    for part in reversed([*_with_parents(directory)]):
        if not entry_exists(part):
            with suppress(FileExistsError):
                os.mkdir(part, 0o755)
        status = os.lstat(part)
        _require_trusted(part, status)
        if stat.S_ISLNK(status.st_mode):
            if not max_symlinks:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), part)
            target = os.path.join(os.path.dirname(part), os.readlink(part))
            _make_trusted(target, max_symlinks - 1)


def _require_trusted(part: str, status: os.stat_result) -> None:
    """Check one directory or symlink of a path.

    Raises:
        PermissionDenied: Another user could replace it, or its content.

    """
    reason = untrusted_reason(status, sticky_is_safe=True)
    if not reason and stat.S_ISLNK(status.st_mode) and status.st_nlink > 1:
        parent = os.lstat(os.path.dirname(part))
        # Any user may hard-link a symlink of root into a directory such as `/tmp`.
        reason = "hard-linked" if parent.st_mode & 0o022 else ""
    if reason:
        raise PermissionDenied(
            f"unsafe path `{part}`: {reason}, and files that root creates there could be replaced",
            hint=f"{remedy(part, status)}, or choose another path",
        )


def remedy(path: str, status: os.stat_result) -> str:
    """Return a remedy for an untrusted path. A user's home directory must stay theirs."""
    # Imported here: a no-op run finds no untrusted path.
    import pwd

    with suppress(KeyError):
        user = pwd.getpwuid(status.st_uid)
        if user.pw_uid not in (0, os.geteuid()) and f"{path}/".startswith(f"{user.pw_dir}/"):
            return f"run converge as that user: `runuser -u {user.pw_name} -- converge …`"
    remedy = f"run `chown -h root {path}`"
    return remedy if stat.S_ISLNK(status.st_mode) else f"{remedy} and `chmod go-w {path}`"


def is_unmapped_user(uid: int) -> bool:
    """Return whether a user doesn't exist in the current user namespace (user_namespaces(7)).

    The kernel shows the overflow UID for all of them. No process in the namespace can have it.
    """
    with suppress(FileNotFoundError, ValueError):
        with open("/proc/sys/kernel/overflowuid", encoding="ascii") as stream:
            if int(stream.read()) != uid:
                return False
        with open("/proc/self/uid_map", encoding="ascii") as stream:
            ranges = [tuple(map(int, line.split())) for line in stream]
        return not any(first <= uid < first + count for first, _, count in ranges)
    return False


def require_writable(directory: str) -> None:
    """Require that the current user can create entries in a directory.

    If it doesn't exist, the nearest parent that does is checked. A read-only file system isn't
    an error: a plan must work there.

    Raises:
        PermissionDenied: The user can't write there.
        NotADirectoryError: A file is in the way.

    """
    directory = nearest_existing(directory)
    if not is_directory(directory):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), directory)
    is_writable = os.access(directory, os.W_OK | os.X_OK, effective_ids=True)
    if not is_writable and not os.statvfs(directory).f_flag & os.ST_RDONLY:
        raise PermissionDenied(
            f"permission denied: `{directory}` isn't writable",
            hint="run as a user who can write there, or choose another path",
        )


def require_short_names(path: str) -> None:
    """Require that the file system accepts each name in a path.

    A name that is too long looks like one that doesn't exist.

    Raises:
        OSError: A name, or the whole path, is too long.

    """
    existing = nearest_existing(os.path.dirname(path))
    name_max, path_max = (os.pathconf(existing, name) for name in ("PC_NAME_MAX", "PC_PATH_MAX"))
    names = map(os.fsencode, path.split("/"))
    if len(os.fsencode(path)) >= path_max or any(len(name) > name_max for name in names):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)


def require_replaceable(path: str) -> None:
    """Require that the current user may replace or delete an entry of a writable directory.

    In a sticky directory, only the owner of the entry, of the directory, or root may (unlink(2)).

    Raises:
        PermissionDenied: The user may not.

    """
    entry = lstat(path)
    if entry is None or os.geteuid() == 0:
        return
    directory = os.stat(os.path.dirname(path))
    if directory.st_mode & stat.S_ISVTX and os.geteuid() not in (entry.st_uid, directory.st_uid):
        raise PermissionDenied(
            f"permission denied: uid {entry.st_uid} owns `{path}`, in a sticky directory",
            hint="let that user delete it, or choose another path",
        )


def require_trusted_symlinks(path: str) -> None:
    """Require, for root, that no other user owns a symlink of a path.

    This is weaker than `require_trusted_path`: the file may be in another user's directory.

    Raises:
        PermissionDenied: Another user could redirect writes by root.

    """
    if os.geteuid() != 0:
        return
    for part in sorted(filter(is_symlink, traversed_parts(path))):
        with suppress(FileNotFoundError):
            reason = untrusted_reason(os.lstat(part))
            if reason:
                raise PermissionDenied(
                    f"unsafe symlink `{part}`: {reason}, and writes by root could be redirected",
                    hint=f"run `chown -h root {part}`, or choose another path",
                )


def traversed_parts(path: str) -> set[str]:
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
