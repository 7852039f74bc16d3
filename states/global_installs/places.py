"""The directories with packages, and the users whose processes search them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.frozen import frozen
from engine.system.existence import is_directory, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from states.global_installs.layout import Layout
    from states.global_installs.unreadable import Unreadable
    from states.global_installs.users import Home


@frozen
class Place:
    """One directory with packages, and the user whose interpreter processes search it."""

    site: str
    user: str
    """Empty for a directory of the host."""


def user_places(layout: Layout, homes: Iterable[Home], unreadable: Unreadable) -> Iterator[Place]:
    """Yield the directory with packages of each user who has one.

    Args:
        layout: The interpreter.
        homes: The home directories.
        unreadable: Receives what can't be read.

    Yields:
        The places, with symlinks resolved.

    """
    for home in homes:
        site = f"{home.path}/{layout.user_site}"
        with unreadable.collect(site):
            if is_directory(site):
                yield Place(resolve(site), home.user)
