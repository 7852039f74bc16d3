"""Create or open a store, and check that no other user can redirect or replace its entries."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from engine.errors import PermissionDenied
from engine.system.existence import is_directory, resolve
from engine.system.files import fsync_dir
from engine.system.permissions import (
    make_trusted_dirs,
    require_trusted_path,
    require_writable,
    untrusted_reason,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.layout import Store


def lock_of(store: Store, path: str) -> str | None:
    """Return the file to lock before entries of the store are changed or deleted.

    Args:
        store: The store of the venv.
        path: The declared path, with symlinks.

    Returns:
        The path of the file, or None if the store doesn't exist.

    Raises:
        PermissionDenied: Another user could redirect or replace those entries.
        OSError: The store can't be examined. That must not look like a missing store, which
            needs no lock.

    """
    if not is_directory(store.root):
        return None
    require_safe_store(store, path, must_exist=True)
    return store.lock


def require_changeable(store: Store, path: str) -> None:
    """Check that the current user may create, change, and publish entries of a store.

    Args:
        store: The store of the venv, which might not exist.
        path: The declared path, with symlinks.

    Raises:
        PermissionDenied: The user may not, or another user could redirect or replace them.
        NotADirectoryError: A file is in the way.

    """
    require_safe_store(store, path)
    for directory in (os.path.dirname(store.root), store.root, store.generations):
        require_writable(directory)


def require_safe_store(store: Store, path: str, *, must_exist: bool = False) -> None:
    """Check that no other user can redirect or replace entries of a store.

    Args:
        store: The store of the venv.
        path: The declared path, with symlinks.
        must_exist: Whether its directory exists, so that the result stays valid.

    Raises:
        PermissionDenied: Another user can.
        FileNotFoundError: The directory must exist, and doesn't.

    """
    require_trusted_path(os.path.dirname(path), must_exist=must_exist)
    _require_same_place(store, path)
    for directory in (store.root, store.generations):
        with suppress(FileNotFoundError):
            _require_safe_directory(directory)


def _require_same_place(store: Store, path: str) -> None:
    """Check that a declared path still resolves to the directory of its store.

    INVARIANT: after the directories of the path were checked. From then on, no other user can
    redirect them, so the result stays valid.

    Raises:
        PermissionDenied: Another user redirected the path before the check.

    """
    if resolve(os.path.dirname(path)) != os.path.dirname(store.root):
        raise PermissionDenied(
            f"unsafe path `{path}`: it was redirected while converge read it",
            hint="run the command again, or choose a path that no other user can write to",
        )


def create_store(store: Store, path: str) -> None:
    """Create the directories of a store, if they don't exist.

    Args:
        store: The store of the venv.
        path: The declared path, with symlinks.

    Raises:
        PermissionDenied: Another user could redirect or replace entries of the store.

    """
    parent = os.path.dirname(store.root)
    make_trusted_dirs(os.path.dirname(path))
    _require_same_place(store, path)
    for directory in (store.root, store.generations):
        try:
            os.mkdir(directory, 0o755)
            os.chmod(directory, 0o755)
        except FileExistsError:
            _require_safe_directory(directory)
    fsync_dir(parent)


def _require_safe_directory(directory: str) -> None:
    """Check that a path is a directory that only its owner can write.

    Raises:
        PermissionDenied: It isn't.

    """
    status = os.lstat(directory)
    if not stat.S_ISDIR(status.st_mode):
        raise PermissionDenied(
            f"`{directory}` exists and isn't a directory",
            hint="move it; converge keeps its generations there",
        )
    reason = untrusted_reason(status)
    if reason:
        raise PermissionDenied(
            f"unsafe directory `{directory}`: {reason}, and published files could be replaced",
            hint="move it, or make it belong to the user that runs converge and run "
            f"`chmod go-w {directory}`",
        )
