"""Choose the entries to move: whole directories if nothing in them stays, and files otherwise."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.system.existence import entry_exists, is_directory, listdir_or_empty
from states.global_installs.entries import OF_PYTHON, claimed_paths
from states.global_installs.recorded_files import PATH_FILE
from states.global_installs.removal.contents import is_ignored

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from states.global_installs.removal.contents import Contents
    from states.package_managers.owners import Owners


def units_to_move(
    contents: Contents, owners: Owners, ignore: Collection[str], everything: Collection[Contents]
) -> list[str]:
    """Return the paths whose removal removes the unwanted packages and entries of a place.

    A path that the distribution or an allowed package owns is never among them, and never inside
    one of them. A list of an installer can name such a file, if it overwrote it.

    Args:
        contents: The content of the place.
        owners: The owners of files.
        ignore: Patterns of entries that stay.
        everything: The contents of all places of the interpreter: they share programs.

    Returns:
        The paths. The metadata of a package comes after its other files.

    Raises:
        OSError: A directory can't be read.

    """
    site = contents.place.site
    kept = {path for c in everything for package in c.allowed for path in claimed_paths(package)}
    kept.update(path for path in owners.paths() if path.startswith(f"{site}/"))
    kept.update(path for path in _entries(site) if is_ignored(path, ignore))
    kept_parents = kept | {parent for path in kept for parent in _parents(path, site)}
    claimed = [path for package in contents.unwanted for path in claimed_paths(package)]
    units = {path: None for path in contents.stray if path not in kept_parents}
    for path in claimed:
        if path in kept or owners.owner(path) or not entry_exists(path):
            continue
        unit = _largest(path, site, kept_parents)
        if is_directory(unit) and (unit in kept_parents or not unit.startswith(f"{site}/")):
            continue  # Its files are units of their own, and it can contain files of others.
        units[unit] = None
        units.update(dict.fromkeys(_bytecode(unit, owners)))
    metadata = {package.metadata for package in contents.unwanted}
    return sorted(_outermost(units), key=lambda path: (path in metadata, path))


def split_path_file(everything: Collection[Contents]) -> str:
    """Return a path file that an allowed and an unwanted package share, or an empty string."""
    for contents in everything:
        path = f"{contents.place.site}/{PATH_FILE}"
        users = [any(path in p.files for p in ps) for ps in (contents.allowed, contents.unwanted)]
        if all(users) and entry_exists(path):
            return path
    return ""


def _entries(site: str) -> Iterator[str]:
    return (f"{site}/{name}" for name in (*listdir_or_empty(site), *OF_PYTHON))


def _parents(path: str, site: str) -> Iterator[str]:
    """Yield the directories between a path and a site directory that contains it."""
    while path.startswith(f"{site}/"):
        path = os.path.dirname(path)
        yield path


def _largest(path: str, site: str, kept_parents: Collection[str]) -> str:
    """Return the outermost directory around a path in which nothing stays, or the path itself.

    Outside of the site directory, any file can be in a directory, so only the path itself counts.

    Args:
        path: The path.
        site: The site directory.
        kept_parents: The entries that stay, and the directories around them.

    Returns:
        The path to move.

    """
    for parent in _parents(path, site):
        if parent == site or parent in kept_parents:
            break
        path = parent
    return path


def _bytecode(path: str, owners: Owners) -> Iterator[str]:
    """Yield the compiled bytecode of a single module."""
    directory, name = os.path.split(path)
    if name.endswith(".py"):
        cache = f"{directory}/__pycache__"
        for entry in listdir_or_empty(cache):
            compiled = f"{cache}/{entry}"
            is_own = entry.startswith(f"{name[:-3]}.") and entry.endswith(".pyc")
            if is_own and not owners.owner(compiled):
                yield compiled


def _outermost(paths: Collection[str]) -> list[str]:
    """Return the paths that are inside no other one."""
    outermost: list[str] = []
    for path in sorted(paths):
        if not outermost or not path.startswith(f"{outermost[-1]}/"):
            outermost.append(path)
    return outermost
