"""Locks that uv reads and writes: their syntax, packages, and the paths of local files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import tomli
import tomli_w
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_SOURCES = ("sdist", "archive", "directory", "vcs")


def sources_of(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each file, directory, and repository in a lock."""
    for package in document.get("packages", []):
        yield from package.get("wheels", ())
        yield from (package[key] for key in _SOURCES if key in package)


def with_absolute_paths(lock: str, base: str) -> str:
    """Return a lock whose paths no longer depend on the directory of its file."""
    # UV-QUIRK(0.12): if a local project names another one by a relative path, so does the lock.
    document = tomli.loads(lock)
    relative = [
        source for source in sources_of(document) if not os.path.isabs(source.get("path", "/"))
    ]
    for source in relative:
        source["path"] = os.path.normpath(os.path.join(base, source["path"]))
    return tomli_w.dumps(document) if relative else lock


def locked_names(lock: str) -> set[str]:
    """Return the normalized names of the packages in a lock."""
    return {canonicalize_name(entry["name"]) for entry in tomli.loads(lock).get("packages", [])}


def is_toml(text: str) -> bool:
    """Return whether a text can be parsed. A stored lock may be damaged."""
    try:
        tomli.loads(text)
    except tomli.TOMLDecodeError:
        return False
    return True
