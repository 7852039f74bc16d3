"""Recognize the modules of the distribution that were linked into a venv."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.frozen import frozen
from engine.system.existence import exists, is_directory, read_link

if TYPE_CHECKING:
    from collections.abc import Iterable

_DIRECTORIES = ("dist-packages", "site-packages")
"""The directories in which `system-packages` finds modules."""
_METADATA = (".egg-info", ".dist-info", ".pth")


@frozen
class SystemLinks:
    """The symlinks from the directory of the packages to others."""

    modules: tuple[str, ...]
    """The names for `system-packages`, sorted."""
    paths: tuple[str, ...]
    """The symlinks that these names stand for, and those to their metadata."""
    others: tuple[tuple[str, str], ...]
    """Other symlinks, each with its target."""


def find_system_links(root: str, sites: Iterable[str], paths: Iterable[str]) -> SystemLinks:
    """Sort out the symlinks in the `site-packages` directories of a venv.

    Args:
        root: The directory of the venv.
        sites: The directories, relative to `root`.
        paths: Files and symlinks that no package lists, relative to `root`.

    Returns:
        The symlinks.

    """
    directories = set(sites)
    modules: set[str] = set()
    linked: list[str] = []
    others: list[tuple[str, str]] = []
    for path in paths:
        directory, name = os.path.split(path)
        target = _target(root, path) if directory in directories else ""
        if not target:
            continue
        parent, base = os.path.split(target)
        is_outside = not f"{parent}/".startswith(f"{root}/")
        is_system = is_outside and base == name and os.path.basename(parent) in _DIRECTORIES
        if is_system and name.endswith(_METADATA):
            linked.append(path)
        elif is_system and (module := _existing_module(name, target)):
            modules.add(module)
            linked.append(path)
        else:
            others.append((path, target))
    return SystemLinks(tuple(sorted(modules)), tuple(linked), tuple(others))


def _target(root: str, path: str) -> str:
    """Return the absolute target of a symlink, or an empty string for another file."""
    try:
        target = read_link(f"{root}/{path}")
    except OSError:
        return ""
    return os.path.normpath(os.path.join(root, os.path.dirname(path), target)) if target else ""


def _existing_module(name: str, target: str) -> str:
    """Return the module that a file or directory contains, or an empty string."""
    try:
        return _module(name, target) if exists(target) else ""
    except OSError:
        return ""


def _module(name: str, target: str) -> str:
    first, _, rest = name.partition(".")
    if not rest:
        return name if name != "__pycache__" and is_directory(target) else ""
    return first if rest == "py" or rest.endswith("so") else ""
