"""Check the host before a link is changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.system.existence import exists
from engine.system.permissions import (
    require_replaceable,
    require_short_names,
    require_trusted_symlinks,
    require_writable,
)

if TYPE_CHECKING:
    from engine.kind import MayCreate


def require_changeable(path: str) -> None:
    """Check that the current user may create, replace, and delete a link.

    Raises:
        PermissionDenied: The user may not, or another user could redirect the directory.
        OSError: A file is in the way, or a name is too long.

    """
    directory, name = os.path.split(path)
    require_trusted_symlinks(directory)
    require_writable(directory)
    require_short_names(os.path.join(directory, temporary_name(name, "0" * 8)))
    require_replaceable(path)


def require_target(path: str, target: str, may_create: MayCreate = lambda _: False) -> None:
    """Check that the target of a link exists.

    Args:
        path: The path of the link.
        target: Its target.
        may_create: Whether a dependency may create a path.

    Raises:
        ConvergeError: It doesn't exist.

    """
    if not may_create(target) and not exists(os.path.join(os.path.dirname(path), target)):
        raise ConvergeError(
            f"the target of `{path}` doesn't exist: `{target}`",
            hint="create the target first",
        )


def temporary_name(name: str, suffix: str) -> str:
    """Return the name under which a link is created before it is renamed."""
    return f".{name}.next-{suffix}"
