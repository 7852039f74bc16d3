"""The users of the host and their home directories."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from engine.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator


@frozen
class Home:
    """The home directory of a user."""

    user: str
    uid: int
    path: str


def all_homes() -> Iterator[Home]:
    """Yield the home directory of each user in the user database, once."""
    seen = set()
    for entry in pwd.getpwall():
        path = os.path.normpath(entry.pw_dir or "/")
        if os.path.isabs(path) and path != "/" and path not in seen:
            seen.add(path)
            yield Home(entry.pw_name, entry.pw_uid, path)
