"""A lock that a resolution prefers, and what became of its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tomli

from engine.frozen import frozen
from states.venv.resolve.pylock import parse_lock
from states.venv.resolve.reuse.basis import read_basis

if TYPE_CHECKING:
    from states.venv.resolve.pylock import Lock
    from states.venv.resolve.reuse.basis import Basis


@frozen
class Preference:
    """A lock whose versions are kept where they still satisfy the requirements."""

    lock: str
    needs_basis: bool
    """Whether it must record its basis. If it records one, the basis must be the same anyway."""

    def changed_bounds(self, basis: Basis) -> tuple[str, ...]:
        """Return why its versions don't count under a basis. Return an empty tuple if they do."""
        try:
            old = read_basis(parse_lock(self.lock).document)
        except tomli.TOMLDecodeError:
            return ()  # An invalid lock prefers no version.
        if old is None:
            return ("the previous lock",) if self.needs_basis else ()
        return tuple(basis.changes_since(old))


@frozen
class Compiled:
    """A lock, and how its versions were selected."""

    lock: Lock
    is_preferred: bool
    """Whether versions of the preference were kept where possible."""
    changed_bounds: tuple[str, ...]
    """Why the versions of the preference were not kept."""


def older_versions(kept: Lock, newest: Lock) -> tuple[str, ...]:
    """Return the packages that have another version in the newest lock, for people."""
    versions = _versions(newest)
    return tuple(
        f"{name} {version} ({versions[name]})"
        for name, version in sorted(_versions(kept).items())
        if versions.get(name, version) != version
    )


def _versions(lock: Lock) -> dict[str, str]:
    return {package["name"]: str(package.get("version", "")) for package in lock.packages}
