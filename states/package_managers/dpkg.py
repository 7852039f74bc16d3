"""Read dpkg's lists of files. They are text, so no program is started."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.system.existence import is_directory, listdir_or_empty, proves_no_file
from engine.system.files import read_regular_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DATABASE = "/var/lib/dpkg"
LOCKS = (f"{DATABASE}/lock-frontend", f"{DATABASE}/lock")
"""The files that apt and dpkg lock (fcntl) while they change packages."""
_MAX_LIST_SIZE = 1 << 27
"""In bytes. The list of a kernel's headers has a few megabytes."""
_SUFFIX = ".list"


def exists(root: str) -> bool:
    """Return whether a system has a database of dpkg. Raises as `lstat`."""
    return is_directory(f"{root}{DATABASE}/info")


def owned_files(root: str, directories: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each path below some directories that a package owns, with the package's name.

    Args:
        root: The root of the system, or an empty string.
        directories: The directories, as the lists spell them.

    Yields:
        The path, and the name of the package.

    Raises:
        OSError: A list can't be read.

    """
    prefixes = [f"{directory}/".encode() for directory in directories]
    info = f"{root}{DATABASE}/info"
    for name in listdir_or_empty(info):
        if not name.endswith(_SUFFIX):
            continue
        content = read_regular_file(os.path.join(info, name), _MAX_LIST_SIZE)
        matching = [prefix for prefix in prefixes if prefix in content]
        if not matching:
            continue  # Most packages own nothing there.
        package = name.removesuffix(_SUFFIX).partition(":")[0]
        for line in content.splitlines():
            if line.startswith(tuple(matching)):
                yield os.fsdecode(line), package
    yield from _diverted(root, tuple(prefixes))


def _diverted(root: str, prefixes: tuple[bytes, ...]) -> Iterator[tuple[str, str]]:
    """Yield the other names that dpkg-divert(1) gave to files of packages."""
    try:
        content = read_regular_file(f"{root}{DATABASE}/diversions", _MAX_LIST_SIZE)
    except OSError as error:
        if proves_no_file(error):
            return
        raise
    lines = content.splitlines()
    for target, package in zip(lines[1::3], lines[2::3], strict=False):
        if target.startswith(prefixes):
            yield os.fsdecode(target), os.fsdecode(package)
