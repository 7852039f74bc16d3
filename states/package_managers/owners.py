"""Look up which package of the distribution owns a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from states.package_managers import apk, dpkg, rpm

if TYPE_CHECKING:
    from collections.abc import Iterable

_MANAGERS = {"dpkg": dpkg, "rpm": rpm, "apk": apk}
_MERGED = ("/bin", "/sbin", "/lib", "/lib64")
"""Directories that can be symlinks into `/usr`. A list can contain either path of a file."""


class Owners:
    """The files below some directories that packages own.

    Args:
        directories: The directories, without symlinks.
        root: The root of the system to read, or an empty string for this one.

    Raises:
        OSError: A database can't be read. Its files must not look like those of no package.

    """

    def __init__(self, directories: Iterable[str], root: str = "") -> None:
        spellings = {spelling for path in directories for spelling in _spellings(path)}
        self.packages: dict[str, str] = {}
        """The package by path."""
        self.managers = managers(root)
        """The names of the package managers of the system."""
        for name in self.managers:
            self.packages.update(_MANAGERS[name].owned_files(root, sorted(spellings)))

    def owner(self, path: str) -> str:
        """Return the package that owns a path, or an empty string."""
        return next(filter(None, map(self.packages.get, _spellings(path))), "")

    def paths(self) -> Iterable[str]:
        """Yield each owned path, in the form without symlinks on a system with a merged `/usr`."""
        for path in self.packages:
            yield f"/usr{path}" if path.startswith(tuple(f"{d}/" for d in _MERGED)) else path


def managers(root: str = "") -> list[str]:
    """Return the names of the package managers that a system has a database of."""
    return [name for name, manager in _MANAGERS.items() if manager.exists(root)]


def lock_files() -> list[str]:
    """Return the files that the package managers of this system lock while they change it."""
    return [path for name in managers() for path in _MANAGERS[name].LOCKS]


def _spellings(path: str) -> list[str]:
    """Return a path, and its other one on a system with a merged `/usr`."""
    short = path.removeprefix("/usr")
    if short != path and short.startswith(tuple(f"{directory}/" for directory in _MERGED)):
        return [path, short]
    if path.startswith(tuple(f"{directory}/" for directory in _MERGED)):
        return [path, f"/usr{path}"]
    return [path]
