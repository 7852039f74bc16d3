"""Digests of source trees: a local project is rebuilt if its digest changes."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.declaration.inputs import ABSENT, file_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_IGNORED = (
    ".git", ".hg", "__pycache__", "*.egg-info", ".tox", ".nox", ".venv",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".coverage", "*.pyc",
)  # fmt: skip
"""Artifacts of builds and tests, and version control."""
_BUILD_OUTPUT = ("build", "dist")
"""Also ignored, but only at the root of a source tree or nested project. Elsewhere it may be a
package with that name."""
_PROJECT_FILES = {"pyproject.toml", "setup.py", "setup.cfg"}


def tree_digest(path: str) -> str:
    """Return a digest of a source tree or of one file.

    It covers names, file types, executable bits, symlink targets, and content. It doesn't cover
    build artifacts, version control, and published venvs, which may be made from this source.

    Raises:
        OSError: A file can't be read.

    """
    if not os.path.isdir(path):
        return file_digest(path)
    return _digest_directory(
        path, (*_IGNORED, *_BUILD_OUTPUT), covered=(os.path.realpath(path),), visited=set()
    )


def _digest_directory(
    root: str, ignored_at_root: tuple[str, ...], covered: tuple[str, ...], visited: set[str]
) -> str:
    """Digest all source files in a directory.

    Args:
        root: The directory.
        ignored_at_root: Glob patterns of names to ignore in `root` itself.
        covered: Resolved paths of the trees that the digest already covers.
        visited: Resolved paths of outside modules that were digested. Extended here.

    Returns:
        The digest in hexadecimal.

    """
    digest = hashlib.sha256()
    for directory, subdirectories, filenames in os.walk(root):
        patterns = ignored_at_root if directory == root else _IGNORED
        if not _PROJECT_FILES.isdisjoint(filenames):
            patterns = (*patterns, *_BUILD_OUTPUT)
        stores = _venv_stores(directory, subdirectories)
        subdirectories[:] = sorted(
            name for name in _not_matching(subdirectories, patterns) if name not in stores
        )
        # The walk doesn't follow a symlink to a directory: its target is part of the digest.
        links = [name for name in subdirectories if os.path.islink(os.path.join(directory, name))]
        for name in sorted([*links, *_not_matching(filenames, patterns)]):
            path = os.path.join(directory, name)
            with suppress(FileNotFoundError):  # deleted meanwhile, as an editor does
                mode = os.lstat(path).st_mode
                executable = "x" if mode & 0o111 else "-"
                content = _content_digest(path, mode, covered, visited)
                line = f"{os.path.relpath(path, root)}\0{executable}\0{content}\n"
                digest.update(os.fsencode(line))
    return digest.hexdigest()


def _venv_stores(directory: str, names: Iterable[str]) -> set[str]:
    """Return the names of the stores of venvs in a directory, and of the published symlinks."""
    stores = {
        name
        for name in names
        if name.startswith(".") and os.path.isdir(os.path.join(directory, name, "generations"))
    }
    links = {name[1:] for name in stores if os.path.islink(os.path.join(directory, name[1:]))}
    return stores | links


def _not_matching(names: Iterable[str], patterns: Iterable[str]) -> Iterator[str]:
    return (
        name
        for name in names
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    )


def _content_digest(path: str, mode: int, covered: tuple[str, ...], visited: set[str]) -> str:
    if stat.S_ISLNK(mode):
        return os.readlink(path) + _outside_module(os.path.realpath(path), covered, visited)
    return file_digest(path) if stat.S_ISREG(mode) else ABSENT


def _outside_module(target: str, covered: tuple[str, ...], visited: set[str]) -> str:
    """Return the digest of the target of a symlink if it is code outside the tree.

    A build copies such a module. Directories that contain the tree, unreadable targets, and
    data such as logs and uploads aren't part of the source.

    Args:
        target: The resolved target of the symlink.
        covered: Resolved paths of the trees that the digest already covers.
        visited: Resolved paths of targets that were digested. Extended here.

    Returns:
        A digest, or an empty string if the target adds nothing.

    """
    if target in visited or any(
        os.path.commonpath((target, path)) in (target, path) for path in covered
    ):
        return ""
    visited.add(target)
    try:
        if os.path.isfile(os.path.join(target, "__init__.py")):
            return _digest_directory(target, _IGNORED, (*covered, target), visited)
        return file_digest(target) if target.endswith(".py") and os.path.isfile(target) else ""
    except PermissionError:
        return ""
