"""Find the files of an installed package by the lists of its installer."""

from __future__ import annotations

import csv
import errno
import os
from typing import TYPE_CHECKING

from engine.system.existence import is_directory, is_file, lstat, proves_no_file, resolve
from engine.system.files import iter_chunks, read_regular_file
from states.global_installs.layout import data_directories

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_SIZE = 1 << 25
"""In bytes. No package has a longer list, but a planted one may be endless."""
_HEAD_SIZE = 1 << 12
"""In bytes. easy_install marks its scripts in the second line."""
PATH_FILE = "easy-install.pth"
"""The file that puts all eggs and the projects of all `.egg-link` files on the import path."""
_BYTECODE = ("/__pycache__/", ".pyc")


def listed_files(site: str, metadata: str, directory: str) -> Iterator[str]:
    """Yield the absolute path of each recorded file, and of the metadata itself.

    Only paths in the site directory and in the directories beside it for scripts and data count:
    a list can contain any path. Compiled bytecode isn't included.

    Args:
        site: The site directory.
        metadata: The entry with the metadata.
        directory: The directory with the lists.

    Yields:
        The paths.

    Raises:
        OSError: A list can't be read.

    """
    yield metadata
    allowed = tuple(f"{place}/" for place in (site, *data_directories(site)))
    for path in _candidates(site, metadata, directory):
        is_bytecode = any(part in path for part in _BYTECODE)
        if path.startswith(allowed) and path != metadata and not is_bytecode:
            yield path


def listed_modules(directory: str) -> list[str]:
    """Return the modules in `top_level.txt`, without paths to anything outside of a site directory.

    Raises:
        OSError: It can't be read.

    """
    names = " ".join(read_lines(f"{directory}/top_level.txt")).split()
    return [name for name in names if not {"", ".", ".."}.intersection(name.split("/"))]


def read_lines(path: str) -> list[str]:
    """Return the lines of a list, or none if it doesn't exist.

    Raises:
        OSError: It can't be read, or contains a character that no path contains.

    """
    try:
        content = read_regular_file(path, _MAX_SIZE)
    except OSError as error:
        if proves_no_file(error):
            return []
        raise
    if b"\0" in content:
        raise OSError(errno.EINVAL, "contains a NUL character", path)
    return content.decode("utf-8", "surrogateescape").splitlines()


def _candidates(site: str, metadata: str, directory: str) -> Iterator[str]:
    if metadata.endswith(".dist-info"):
        for path in _recorded(f"{directory}/RECORD"):
            yield os.path.normpath(os.path.join(site, path))
    elif metadata.endswith(".egg-info") and is_file(f"{directory}/installed-files.txt"):
        for line in read_lines(f"{directory}/installed-files.txt"):
            yield os.path.normpath(os.path.join(directory, line))
    elif metadata.endswith(".egg-info") and is_directory(directory):
        for name in listed_modules(directory):
            yield from _module_files(site, name)
    elif metadata.endswith((".egg", ".egg-link")):
        yield f"{site}/{PATH_FILE}"
        for name in read_lines(f"{directory}/entry_points.txt"):
            yield from _easy_install_scripts(site, name.partition("=")[0].strip())


def _recorded(record: str) -> Iterator[str]:
    """Yield the paths in a RECORD.

    Raises:
        OSError: It can't be read, or isn't CSV.

    """
    try:
        yield from (row[0] for row in csv.reader(read_lines(record)) if row)
    except csv.Error as error:
        raise OSError(errno.EINVAL, f"malformed RECORD: {error}", record) from error


def _module_files(site: str, module: str) -> Iterator[str]:
    """Yield the entries of a site directory that a top-level module can consist of."""
    for entry in (module, f"{module}.py"):
        if "/" not in module and lstat(f"{site}/{entry}") is not None:
            yield f"{site}/{entry}"


def _easy_install_scripts(site: str, name: str) -> Iterator[str]:
    """Yield the console script that easy_install created for a name. No list contains it."""
    for directory in data_directories(site):
        path = f"{directory}/{name}"
        is_script = name and "/" not in name and directory.endswith("/bin") and is_file(path)
        if is_script and b"EASY-INSTALL" in b"".join(iter_chunks(resolve(path), _HEAD_SIZE)):
            yield path
