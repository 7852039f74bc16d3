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
    notices: tuple[str, ...]
    """Warnings of the installer, with the place of each requirement."""


def older_notice(path: str, kept: Lock, newest: Lock) -> tuple[str, ...]:
    """Return a message about the packages that have another version in the newest lock, if any.

    Args:
        path: The path of the venv.
        kept: The lock with the versions that were kept.
        newest: The lock that a new venv would get.

    Returns:
        One message, or an empty tuple.

    """
    versions = _versions(newest)
    older = [
        f"{name} {version} ({versions[name]})"
        for name, version in sorted(_versions(kept).items())
        if versions.get(name, version) != version
    ]
    message = (
        f"`{path}` keeps versions that a new venv wouldn't get: {', '.join(older)}. "
        "To upgrade them, run with `--upgrade`"
    )
    return (message,) if older else ()


def _versions(lock: Lock) -> dict[str, str]:
    return {package["name"]: str(package.get("version", "")) for package in lock.packages}
