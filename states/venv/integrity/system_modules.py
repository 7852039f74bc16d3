"""Modules of the distribution that a generation links to: whether they changed since it was built.

The content of a module decides. As for an interpreter, its metadata only shows that nothing
changed: a package that is installed again has other inodes, and the same content.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.frozen import as_items, frozen, replace
from engine.system.existence import (
    entry_exists,
    is_symlink,
    listdir_or_empty,
    read_link,
    resolve,
    status,
)
from states.venv.integrity.dist_info import is_part_of_module, site_packages
from states.venv.layout import SYSTEM_MODULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, Literal

    Drift = Literal["", "missing", "changed"]

_MAX_FILE_SIZE = 1 << 30
"""In bytes. No file of a module is larger."""


@frozen
class SystemModule:
    """One module, as it was when a generation was built."""

    name: str
    directories: tuple[str, ...]
    """The directories of the interpreter that contain it."""
    own: tuple[str, ...]
    """Names of files of it that a package of the venv contains instead."""
    watched: Mapping[str, tuple[int, ...]]
    """Size, mtime in ns, and inode of each file, by path."""
    digest: str
    """SHA-256 over the paths and the content of these files."""

    def drift(self) -> Drift:
        """Return how the module on disk differs.

        Raises:
            OSError: A file of it can't be examined.

        """
        return self.compare()[0]

    def compare(self) -> tuple[Drift, bool]:
        """Return how the module on disk differs, and whether the recorded metadata does.

        Raises:
            OSError: A file of it can't be examined.

        """
        stats = _stats(self.name, self.directories, self.own)
        if stats == self.watched:
            return "", False
        if not stats:
            return "missing", True
        return "" if _digest(stats) == self.digest else "changed", True


def record_modules(root: str, names: Iterable[str]) -> tuple[SystemModule, ...]:
    """Return the modules that a generation links to.

    Args:
        root: The directory of the generation.
        names: The names of the modules.

    Returns:
        The modules. One that only packages of the venv contain has no files.

    Raises:
        OSError: A file can't be read.

    """
    return tuple(_record(root, name) for name in names)


def observe_modules(
    modules: tuple[SystemModule, ...], *, held: bool
) -> tuple[dict[str, str], bool]:
    """Compare modules with the disk.

    Args:
        modules: The modules in the receipt of a generation.
        held: Whether a rollback holds the generation. It keeps running with an upgraded module.

    Returns:
        An attribute for each module that differs, and whether the recorded metadata isn't that on
        disk, or is missing.

    Raises:
        OSError: A file can't be examined.

    """
    compared = {f"{SYSTEM_MODULES}{module.name}": module.compare() for module in modules}
    attributes = {
        name: str(drift)
        for name, (drift, _) in compared.items()
        if drift == "missing" or (drift and not held)
    }
    return attributes, not modules or any(is_outdated for _, is_outdated in compared.values())


def refresh_modules(
    root: str, names: Iterable[str], recorded: Iterable[SystemModule]
) -> tuple[SystemModule, ...]:
    """Return recorded modules with current metadata, if their content is the same.

    Args:
        root: The directory of the generation.
        names: The names of the declared modules.
        recorded: The modules in its receipt. Receipts of earlier versions have none.

    Returns:
        The modules.

    """
    by_name = {module.name: module for module in recorded}
    refreshed = []
    for name in names:
        module, current = by_name.get(name), _record(root, name)
        is_same = module is None or module.digest == current.digest
        refreshed.append(current if is_same or module is None else module)
    return tuple(refreshed)


def to_json(module: SystemModule) -> dict[str, Any]:
    """Return the form in which receipts store a module."""
    return {**dict(as_items(module)), "watched": dict(module.watched)}


def from_json(record: Mapping[str, Any]) -> SystemModule:
    """Return the module in a receipt. Raises `KeyError` or `TypeError` if malformed."""
    watched = {path: tuple(stat) for path, stat in record["watched"].items()}
    module = SystemModule(**{**record, "watched": watched})
    return replace(module, directories=tuple(module.directories), own=tuple(module.own))


def _record(root: str, name: str) -> SystemModule:
    directories, own = [], []
    site = f"{root}/{site_packages(root)[0]}"
    for entry in sorted(listdir_or_empty(site)):
        if not is_part_of_module(entry, name):
            continue
        target = read_link(f"{site}/{entry}") if is_symlink(f"{site}/{entry}") else ""
        if os.path.isabs(target):
            directories.append(os.path.dirname(target))
        elif entry_exists(f"{site}/{entry}"):
            own.append(entry)
    unique = tuple(sorted(set(directories)))
    stats = _stats(name, unique, tuple(own))
    return SystemModule(name, unique, tuple(own), stats, _digest(stats))


def _stats(
    name: str, directories: Iterable[str], own: tuple[str, ...]
) -> dict[str, tuple[int, ...]]:
    """Return the metadata of each file of a module.

    Args:
        name: The name of the module.
        directories: The directories to search.
        own: Names of entries that don't count.

    Returns:
        Size, mtime in ns, and inode by path. Bytecode isn't included.

    """
    stats: dict[str, tuple[int, ...]] = {}
    for directory in directories:
        for entry in sorted(listdir_or_empty(directory)):
            if is_part_of_module(entry, name) and entry not in own:
                for path in _files(os.path.join(directory, entry)):
                    file = status(path)
                    if file is not None:
                        stats[path] = (file.st_size, file.st_mtime_ns, file.st_ino)
    return stats


def _files(path: str) -> Iterator[str]:
    """Yield a file, or the files of a directory."""
    entry = status(path)
    if entry is None:
        return
    if entry.st_mode & 0o170000 != 0o040000:
        yield path
        return
    for name in sorted(listdir_or_empty(path)):
        if name != "__pycache__" and not name.endswith(".pyc"):
            yield from _files(os.path.join(path, name))


def _digest(paths: Iterable[str]) -> str:
    import hashlib  # Imported here: a no-op run compares only metadata.

    from engine.system.files import iter_chunks

    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(b"\0" + os.fsencode(path) + b"\0")
        for chunk in iter_chunks(resolve(path), _MAX_FILE_SIZE):
            digest.update(chunk)
    return digest.hexdigest()
