"""Split the sources of packages into units, which are compiled and cached as a whole.

A unit is small enough for all CPUs to end at about the same time, and large enough for the cache
to have few files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.frozen import frozen
from engine.system.files import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_MAX_FILES = 100


@frozen
class Unit:
    """Sources of one package."""

    sources: Mapping[str, str]
    """The SHA-256 of each source by its path in the generation, sorted by path."""

    @property
    def name(self) -> str:
        """The digest of the sources and their paths. Their bytecode depends on nothing else."""
        lines = "".join(f"{digest} {source}\n" for source, digest in self.sources.items())
        return sha256(lines.encode("utf-8", "surrogateescape"))


def split(sources: Mapping[str, str], owner: Callable[[str], str]) -> Iterator[Unit]:
    """Yield the units of all packages.

    Args:
        sources: The SHA-256 of each source by path.
        owner: Returns the package of a source.

    Yields:
        Each unit. The same package always has the same ones.

    """
    packages: dict[str, list[str]] = {}
    for path in sorted(sources):
        packages.setdefault(owner(path), []).append(path)
    for paths in packages.values():
        for start in range(0, len(paths), _MAX_FILES):
            yield Unit({path: sources[path] for path in paths[start : start + _MAX_FILES]})
