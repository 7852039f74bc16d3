"""Find the files of a local project that Git ignores but a build packages.

Examples are a generated `_version.py`, and scripts and style sheets that another tool creates. A
change of such a file changes the package, so it counts as source.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from states.venv.integrity.record_hash import has_digest
from states.venv.sources.gitignore import GitIgnore

if TYPE_CHECKING:
    from states.venv.build.installed import Installed
    from states.venv.sources.tree import SourceTree


def find_packaged(tree: SourceTree, installed: Installed, name: str) -> tuple[str, ...]:
    """Return the ignored files of a project with the content of an installed file.

    The names must also be the same, including that of the directory.

    Args:
        tree: The project, without recorded files.
        installed: The installed packages.
        name: The package that was built from the project.

    Returns:
        The paths relative to the project.

    """
    digests: dict[str, set[str]] = {}
    for path, digest in installed.files(name).items():
        if digest:
            digests.setdefault(_end(path), set()).add(digest)
    return tuple(
        path
        for path in tree.ignored_files(GitIgnore(tree.path))
        if _is_installed(os.path.join(tree.path, path), digests)
    )


def _is_installed(path: str, digests: dict[str, set[str]]) -> bool:
    """Return whether a file has one of the digests of its name."""
    candidates = digests.get(_end(path), digests.get(os.path.basename(path), set()))
    try:
        return any(has_digest(path, digest) for digest in candidates)
    except OSError:
        return False  # It was deleted, or isn't a regular file.


def _end(path: str) -> str:
    """Return the name of a file and of its directory, unless that is `site-packages`."""
    directory, name = os.path.split(path)
    parent = os.path.basename(directory)
    return name if parent in ("", "site-packages") else f"{parent}/{name}"
