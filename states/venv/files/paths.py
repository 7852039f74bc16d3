"""The paths of declared files in a generation."""

from __future__ import annotations

import os

from engine.system.existence import entry_exists
from states.venv.integrity.dist_info import site_packages

SITE_PACKAGES = "{site-packages}"
"""Stands for `lib/pythonX.Y/site-packages`, whose name depends on the interpreter."""


def expand(path: str, root: str) -> str:
    """Return the path of a declared file, relative to a generation.

    Args:
        path: The declared path.
        root: The directory of the generation.

    Returns:
        The path without the placeholder. If the directory was deleted, the path stays as it is.

    """
    first, separator, rest = path.partition("/")
    sites = site_packages(root) if first == SITE_PACKAGES else []
    if not sites:
        return path
    # Some distributions have a second directory, `lib64`, for compiled packages.
    package = rest.split("/")[0]
    containing = (site for site in sites[1:] if entry_exists(f"{root}/{site}/{package}"))
    return f"{next(containing, sites[0])}{separator}{rest}"


def as_declared(path: str, root: str) -> str:
    """Return the path that a declaration would contain for a file in a venv.

    Args:
        path: The path, relative to the venv.
        root: The directory of the venv.

    Returns:
        The path with the placeholder, if it applies.

    """
    for site in site_packages(root):
        if path.startswith(f"{site}/"):
            return os.path.join(SITE_PACKAGES, path[len(site) + 1 :])
    return path
