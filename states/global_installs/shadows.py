"""Find the modules that a package hides, because the interpreter finds the package first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.frozen import frozen
from engine.system.existence import is_directory, is_file, listdir_or_empty

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from states.global_installs.distributions import Distribution
    from states.package_managers.owners import Owners


@frozen
class Shadow:
    """One top-level module in a later directory of the import path."""

    module: str
    path: str
    name: str
    """The package that contains it, or an empty string if no metadata names it."""
    version: str
    owner: str
    """The package of the distribution that owns it, or an empty string."""


def find_shadows(
    distribution: Distribution,
    sites: Iterable[str],
    others: Iterable[tuple[str, Distribution]],
    owners: Owners,
) -> Iterator[Shadow]:
    """Yield the modules in later directories that have the name of a module of a package.

    Args:
        distribution: The package.
        sites: The later directories, in the order of the search.
        others: The packages in them, each with its directory.
        owners: The owners of files.

    Yields:
        The hidden modules.

    Raises:
        OSError: A directory can't be read.

    """
    others = [*others]
    own = [m for m in distribution.modules if _location(distribution.site, m)]
    for site in sites:
        for module in own:
            path = _location(site, module)
            if not path:
                continue
            here = (d for place, d in others if place == site and module in d.modules)
            other = next(here, None)
            yield Shadow(
                module,
                path,
                other.name if other else "",
                other.version if other else "",
                owners.owner(path),
            )


def _location(site: str, module: str) -> str:
    """Return the path that a module is imported from, or an empty string.

    Directories without `__init__.py` are portions of a namespace (PEP 420). They hide nothing.
    """
    directory = f"{site}/{module}"
    if is_directory(directory) and any(n.startswith("__init__.") for n in os.listdir(directory)):
        return directory
    if is_file(f"{directory}.py"):
        return f"{directory}.py"
    names = (n for n in listdir_or_empty(site) if n.startswith(f"{module}.") and n.endswith(".so"))
    return next((f"{site}/{name}" for name in names), "")
