"""Read the database of apk, the package manager of Alpine Linux: one text file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.system.existence import is_file
from engine.system.files import read_regular_file
from states.distribution.databases import APK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOCKS = tuple(f"{os.path.dirname(path)}/lock" for path in APK)
_MAX_SIZE = 1 << 28
"""In bytes."""


def exists(root: str) -> bool:
    """Return whether a system has a database of apk. Raises as `lstat`."""
    return any(is_file(f"{root}{database}") for database in APK)


def owned_files(root: str, directories: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each path below some directories that a package owns, with the package's name.

    A record has the lines `P:` (package), `F:` (directory), and `R:` (file in it).

    Args:
        root: The root of the system, or an empty string.
        directories: The directories.

    Yields:
        The path, and the name of the package.

    Raises:
        OSError: The database can't be read.

    """
    prefixes = tuple(f"{directory}/" for directory in directories)
    package = directory = ""
    database = next(path for path in APK if is_file(f"{root}{path}"))
    for line in read_regular_file(f"{root}{database}", _MAX_SIZE).splitlines():
        field, _, value = os.fsdecode(line).partition(":")
        if field == "P":
            package = value
        elif field == "F":
            directory = f"/{value}"
        if field in ("F", "R"):
            path = f"{directory}/{value}" if field == "R" else directory
            if path.startswith(prefixes):
                yield path, package
