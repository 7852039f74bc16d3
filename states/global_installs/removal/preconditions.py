"""Check the host before packages are removed, for a plan and for an apply."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from engine.errors import ConvergeError, PermissionDenied
from engine.system.existence import is_directory, is_symlink, nearest_existing
from engine.system.permissions import remedy, require_writable
from engine.system.program_trust import find_threat
from states.global_installs.removal.store import PlaceStore
from states.global_installs.removal.units import split_path_file

if TYPE_CHECKING:
    from collections.abc import Collection

    from states.global_installs.places import Place
    from states.global_installs.removal.view import Observation


def require_removable(view: Observation) -> None:
    """Check that the unwanted packages of an interpreter can be moved. This only reads.

    Raises:
        ConvergeError: An allowed package shares a file with an unwanted one.
        PermissionDenied: A directory isn't writable, or another user could redirect it.
        OSError: A directory can't be read, or is on another file system than the store.

    """
    shared = split_path_file(view.contents)
    if shared and not view.held:
        raise ConvergeError(
            f"`{shared}` is shared by packages with and without permission to stay",
            hint="delete the lines of the others, and the packages, by hand",
        )
    for place, paths in view.units():
        if paths and not view.held:
            _require_movable(place, paths)


def _require_movable(place: Place, paths: Collection[str]) -> None:
    root = PlaceStore(place.site).root
    parents = sorted({os.path.dirname(path) for path in paths})
    for directory in (os.path.dirname(root), *parents):
        if not place.user:
            require_trusted_directory(directory)
        if not place.user or os.geteuid() != 0:
            require_writable(directory)
    device = os.stat(nearest_existing(os.path.dirname(root))).st_dev
    for parent in parents:
        if os.stat(parent).st_dev != device:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), parent)
    for path in filter(is_directory, paths):
        if not is_symlink(path):
            _require_no_mount(path)


def require_trusted_directory(directory: str) -> None:
    """Require, for root, that no other user can replace a directory or its entries.

    Raises:
        PermissionDenied: Another user can.

    """
    threat = find_threat(directory)
    if threat is not None:
        raise PermissionDenied(
            f"unsafe path `{threat.path}`: {threat.reason}, and root would move files there",
            hint=remedy(threat.path, os.lstat(threat.path)),
        )


def _require_no_mount(directory: str) -> None:
    # Imported here: most runs move nothing.
    from states.venv.generations.removal import require_no_mount

    require_no_mount(directory)
