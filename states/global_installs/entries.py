"""The entries of a site directory that belong to no package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.system.existence import entry_exists, listdir_or_empty

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from states.global_installs.distributions import Distribution
    from states.package_managers.owners import Owners

OF_PYTHON = ("__pycache__", "README.txt")
"""Entries that Python itself creates."""


def stray_entries(
    site: str, distributions: Iterable[Distribution], owners: Owners
) -> Iterator[str]:
    """Yield the path of each entry of a site directory that belongs to no package of any kind.

    Args:
        site: The site directory.
        distributions: The packages that the distribution doesn't own.
        owners: The owners of files.

    Yields:
        The absolute paths.

    Raises:
        OSError: The directory can't be read.

    """
    prefix = f"{site}/"
    claimed = {
        path.removeprefix(prefix).partition("/")[0]
        for distribution in distributions
        for path in claimed_paths(distribution)
        if path.startswith(prefix)
    }
    for name in sorted(listdir_or_empty(site)):
        if name not in claimed and name not in OF_PYTHON and not owners.owner(prefix + name):
            yield prefix + name


def claimed_paths(distribution: Distribution) -> Iterator[str]:
    """Yield the recorded files of a package, and the entries of its modules.

    A package without a list of its files still names its modules.
    """
    yield from distribution.files
    for module in distribution.modules:
        for name in (module, f"{module}.py"):
            if entry_exists(f"{distribution.site}/{name}"):
                yield f"{distribution.site}/{name}"
