"""The interpreters on this host, in the order in which a shell would find them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from engine.system.existence import listdir_or_empty
from engine.system.program_trust import find_threat

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"python3(?:\.\d+)?t?|pypy3(?:\.\d+)?")
STANDARD_DIRS = ("/usr/local/bin", "/usr/bin", "/bin")


def trusted_candidates() -> Iterator[str]:
    """Yield the candidates that root may start: no other user can change them."""
    return (path for path in candidates() if find_threat(path) is None)


def skipped_candidates() -> list[str]:
    """Return up to two interpreters that root doesn't start, with the reason."""
    threats = ((path, find_threat(path)) for path in candidates())
    skipped = [f"`{path}`, because `{t.path}` is {t.reason}" for path, t in threats if t]
    return skipped[:2]


def candidates() -> Iterator[str]:
    """Yield each interpreter once, in the order in which a shell would find them."""
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    versions = os.path.join(pyenv, "versions")
    directories = [*os.environ.get("PATH", "").split(os.pathsep), *STANDARD_DIRS]
    directories += [os.path.join(versions, version, "bin") for version in sorted(_names(versions))]
    seen = set()
    for directory in directories:
        if not os.path.isabs(directory) or "/shims" in directory:
            continue  # A shim is a script that searches for an interpreter.
        # A distribution may have `pypy3` next to `python3`.
        for name in sorted(
            filter(_NAME.fullmatch, _names(directory)),
            key=lambda name: (not name.startswith("python"), len(name)),
        ):
            path = os.path.join(directory, name)
            real = os.path.realpath(path)
            if real not in seen and os.access(real, os.X_OK):
                seen.add(real)
                yield path


def _names(directory: str) -> list[str]:
    """Return the names in a directory of PATH. One that the user can't list is skipped."""
    try:
        return listdir_or_empty(directory)
    except PermissionError:
        return []
