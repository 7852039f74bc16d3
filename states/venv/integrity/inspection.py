"""The files that RECORD files list, and the result of comparing them with the disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from states.venv.integrity.receipt import Overlap, Package

Claimants = list[tuple[str, str]]
"""The packages that list a path in their RECORD, each with the digest there."""
Claims = dict[str, Claimants]
"""The claimants of each path."""


@frozen
class Expected:
    """The content that a generation must have."""

    packages: tuple[Package, ...]
    """The selected packages."""
    baseline: Mapping[str, str]
    """The digest of each file of the empty environment."""
    known_records: Mapping[str, str]
    """The RECORD digest of each package at its first installation, by name and content."""
    tolerated: frozenset[str] = frozenset()
    """Names of packages that may contain files that differ from their RECORD."""

    def tolerable(self, names: Collection[str]) -> str:
        """Return the only package that brings a file, if its wheel was checked as a whole."""
        is_wheel = any(package.wheel and {package.name} == {*names} for package in self.packages)
        return next(iter(names)) if is_wheel else ""


@dataclass(slots=True)
class Inspection:
    """The package of each path, and the SHA-256 of each file."""

    owners: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    packages: tuple[Package, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)
    """Python sources that have no bytecode yet, with their digests."""
    overlapping: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """By path: the package whose file is installed, and those that contain another one."""
    tolerated: dict[str, str] = field(default_factory=dict)
    """By path: the package whose RECORD has another digest or none. Its wheel is intact."""

    own_sources: list[str] = field(default_factory=list)
    """Declared Python sources. Their bytecode isn't cached, because it may contain secrets."""
    replaced: dict[str, str] = field(default_factory=dict)
    """By the declared path of each placed file: the package whose file it replaced, or empty."""

    def tolerate(self, path: str, names: Collection[str], expected: Expected) -> bool:
        """Record a file that differs from its RECORD, if the declaration accepts it.

        Args:
            path: The file.
            names: The packages that may have installed it.
            expected: The required content.

        Returns:
            Whether the declaration accepts it.

        """
        name = expected.tolerable(names)
        if not name or name not in expected.tolerated:
            return False
        self.owners[path] = self.tolerated[path] = name
        return True

    def overlaps(self) -> tuple[Overlap, ...]:
        """Return the overlapping files in groups, in the form of the receipt."""
        groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for path in sorted(self.overlapping):
            groups.setdefault(self.overlapping[path], []).append(path)
        return tuple(
            (winner, ", ".join(others), len(paths), paths[0])
            for (winner, others), paths in sorted(groups.items())
        )


def winner(claimants: Claimants) -> str:
    """Return the package whose file is installed if several contain one path.

    The last name in alphabetical order wins, because that depends neither on the host nor on the
    order of the requirements or of the installation. Without any digest, the result is empty.
    """
    return max((name for name, digest in claimants if digest), default="")


def is_contested(claimants: Claimants) -> bool:
    """Return whether the RECORD files list different digests for one path."""
    return len({digest for _, digest in claimants if digest}) > 1
