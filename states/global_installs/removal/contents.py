"""The content of a site directory beside the packages of the distribution."""

from __future__ import annotations

import fnmatch
import os
from typing import TYPE_CHECKING

from engine.frozen import frozen
from states.global_installs.distributions import find_metadata, read_distribution
from states.global_installs.entries import stray_entries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from states.global_installs.distributions import Distribution
    from states.global_installs.places import Place
    from states.package_managers.owners import Owners


@frozen
class Contents:
    """The packages and entries of one place that the distribution doesn't own."""

    place: Place
    allowed: tuple[Distribution, ...]
    unwanted: tuple[Distribution, ...]
    """The packages that must not be installed."""
    stray: tuple[str, ...]
    """The entries that belong to no package."""

    def attributes(self) -> Iterator[tuple[str, str, bool]]:
        """Yield the name and the value of each attribute, and whether it is allowed."""
        suffix = f"@{self.place.user}" if self.place.user else ""
        for distributions, is_allowed in ((self.allowed, True), (self.unwanted, False)):
            for package in distributions:
                value = f"{package.version or 'unknown version'} in {package.site}"
                yield f"package.{package.name}{suffix}", value, is_allowed
        for path in self.stray:
            yield f"entry.{path}", "belongs to no package", False


def read_contents(
    place: Place, allow: Collection[str], ignore: Collection[str], owners: Owners
) -> Contents:
    """Read one place.

    Args:
        place: The place.
        allow: The normalized names of the packages that may be installed.
        ignore: Patterns of names and paths of entries that don't count.
        owners: The owners of files.

    Returns:
        Its content.

    Raises:
        OSError: It can't be read.

    """
    allowed: list[Distribution] = []
    unwanted: list[Distribution] = []
    for entry in find_metadata(place.site):
        path = f"{place.site}/{entry}"
        if not owners.owner(path):
            package = read_distribution(place.site, entry)
            is_allowed = package.name in allow or is_ignored(path, ignore)
            (allowed if is_allowed else unwanted).append(package)
    stray = stray_entries(place.site, [*allowed, *unwanted], owners)
    counted = (path for path in stray if not is_ignored(path, ignore))
    return Contents(place, tuple(allowed), tuple(unwanted), tuple(counted))


def is_ignored(path: str, patterns: Collection[str]) -> bool:
    """Return whether a pattern matches a path or its last part."""
    name = os.path.basename(path)
    return any(
        fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(path, pattern)
        for pattern in patterns
    )


def merge_attributes(contents: Collection[Contents]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the attributes of all places, and those of the allowed packages alone."""
    observed: dict[str, str] = {}
    allowed: dict[str, str] = {}
    for name, value, is_allowed in (row for c in contents for row in c.attributes()):
        for attributes in (observed, allowed) if is_allowed else (observed,):
            attributes[name] = f"{attributes[name]}, {value}" if name in attributes else value
    return observed, allowed
