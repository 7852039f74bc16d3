"""Dependencies that `no-deps` leaves out.

They are a notice, not an error: a list that is complete by intention is the purpose of the key,
and metadata often requires packages that a program doesn't need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from states.venv.resolve.requirements import required_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from states.venv.resolve.lines.line import Line
    from states.venv.resolve.pylock import Lock

_MAX_NAMED = 10
_DIRECT = ("vcs", "directory", "archive")


def with_exact_versions(lock: Lock, overrides: Iterable[Line]) -> tuple[str, ...]:
    """Return overrides that keep the version of each package in a lock.

    A list may contain versions that contradict the metadata of its packages.

    Args:
        lock: The lock, without dependencies.
        overrides: The declared overrides.

    """
    overrides = tuple(overrides)
    overridden = required_names(overrides)
    lines = [line.text for line in overrides]
    for package in lock.packages:
        is_direct = any(key in package for key in _DIRECT)
        if not is_direct and package["name"] not in overridden:
            marker = f" ; {package['marker']}" if "marker" in package else ""
            lines.append(f"{package['name']}=={package['version']}{marker}")
    return tuple(lines)


def missing_notice(path: str, lock: Lock, complete: Lock | None) -> tuple[str, ...]:
    """Return a message about the packages that are missing from a lock, if there are any.

    Args:
        path: The path of the venv.
        lock: The lock, without dependencies.
        complete: The lock of the same packages with all dependencies. None if it is unknown.

    Returns:
        One message, or an empty tuple.

    """
    if complete is None:
        return (f"`{path}` may lack dependencies (`no-deps`); their list isn't available",)
    missing = sorted(_names(complete) - _names(lock))
    if not missing:
        return ()
    more = f", and {len(missing) - _MAX_NAMED} more" if len(missing) > _MAX_NAMED else ""
    names = ", ".join(missing[:_MAX_NAMED]) + more
    return (f"`{path}` lacks dependencies of its packages (`no-deps`): {names}",)


def _names(lock: Lock) -> set[str]:
    return {package["name"] for package in lock.packages}
