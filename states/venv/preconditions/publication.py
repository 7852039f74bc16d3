"""Check that a generation can be published at the declared path."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from engine.system.linux import mount_points
from engine.system.permissions import require_replaceable, require_short_names
from states.venv.generations.access import require_changeable

if TYPE_CHECKING:
    from states.venv.layout import Store

_LONGEST_ENTRY = "000000-00000000"
"""As long as the names of generations, which scripts contain."""


def require_publishable(store: Store, path: str) -> None:
    """Check that the current user can create entries of the store, and replace the path.

    Args:
        store: The store of the venv, which might not exist.
        path: The declared path, with symlinks.

    Raises:
        PermissionDenied: The user can't, or another user could redirect or replace them.
        OSError: A file or a mount is in the way, or a name is too long.

    """
    require_short_names(store.generation(_LONGEST_ENTRY))
    require_changeable(store, path)
    require_replaceable(store.published)
    # rename(2) can't replace a mount point, such as a volume of a container.
    if os.fsencode(store.published) in (mount_points() or ()):
        raise OSError(errno.EBUSY, "a file system is mounted there", store.published)
