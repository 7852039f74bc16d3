"""Read the database of rpm without starting rpm: an SQLite file with one header for each package.

The Linux Standard Base ("Package File Format") defines a header: the numbers of tags and bytes in
big endian, an index of the tags, and a store of their values.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from engine.system.existence import exists as path_exists
from engine.system.existence import is_file
from states.distribution.databases import RPM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SQLITE = tuple(path for path in RPM if path.endswith(".sqlite"))
"""The other files are those of Berkeley DB, as in RHEL 8, and of ndb, as in SUSE."""
LOCKS = tuple(f"{os.path.dirname(path)}/.rpm.lock" for path in _SQLITE)
"""The files that rpm locks (fcntl) while it changes packages."""
_NAME, _DIRECTORY_INDEXES, _BASE_NAMES, _DIRECTORY_NAMES = 1000, 1116, 1117, 1118
"""Tags of a header (rpmtag.h)."""


def exists(root: str) -> bool:
    """Return whether a system has a database of rpm. Raises as `lstat`."""
    return any(path_exists(f"{root}{path}") for path in RPM)


def owned_files(root: str, directories: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each path below some directories that a package owns, with the package's name.

    Args:
        root: The root of the system, or an empty string.
        directories: The directories.

    Yields:
        The path, and the name of the package.

    Raises:
        OSError: The database can't be read, or has another format than SQLite.

    """
    prefixes = tuple(f"{directory}/" for directory in directories)
    for blob in _blobs(root):
        try:
            yield from _owned_files(_Header(blob), prefixes)
        except (struct.error, ValueError, IndexError) as error:
            message = "the database of rpm contains a damaged header"
            raise OSError(0, message, root or "/") from error


def _owned_files(header: _Header, prefixes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    parents = header.strings(_DIRECTORY_NAMES)
    if not any(f"{parent}/".startswith(prefixes) for parent in parents):
        return  # Most packages own nothing there.
    (package,) = header.strings(_NAME)
    names, numbers = header.strings(_BASE_NAMES), header.numbers(_DIRECTORY_INDEXES)
    for name, number in zip(names, numbers, strict=True):
        path = f"{parents[number]}{name}"
        if path.startswith(prefixes):
            yield path, package


def _blobs(root: str) -> Sequence[bytes]:
    """Return the headers of all packages.

    Raises:
        OSError: The database can't be read.

    """
    # Imported here: only a host with rpm needs them.
    import sqlite3
    from contextlib import closing

    database = next(filter(is_file, (f"{root}{path}" for path in _SQLITE)), None)
    if database is None:
        raise OSError(0, "the database of rpm isn't an SQLite database", root or "/")
    # Without a write-ahead log, SQLite would create one. Only the owner of the directory can.
    mode = "mode=ro" if path_exists(f"{database}-wal") else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{database}?{mode}", uri=True)) as connection:
            return [row[0] for row in connection.execute("SELECT blob FROM Packages")]
    except sqlite3.Error as error:
        raise OSError(0, f"can't read the database of rpm: {error}", database) from error


class _Header:
    """The header of one package."""

    def __init__(self, blob: bytes) -> None:
        count, _ = struct.unpack_from(">II", blob)
        if len(blob) < 8 + 16 * count:
            raise ValueError("the header is shorter than its index")
        self.store = blob[8 + 16 * count :]
        index = struct.iter_unpack(">IIII", blob[8 : 8 + 16 * count])
        self.places = {tag: (offset, length) for tag, _, offset, length in index}

    def strings(self, tag: int) -> list[str]:
        """Return the strings of a tag. A package without files has none."""
        offset, count = self.places.get(tag, (0, 0))
        return [os.fsdecode(text) for text in self.store[offset:].split(b"\0", count)[:count]]

    def numbers(self, tag: int) -> Sequence[int]:
        """Return the numbers of a tag."""
        offset, count = self.places.get(tag, (0, 0))
        return struct.unpack_from(f">{count}I", self.store, offset)
