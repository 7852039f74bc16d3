"""The names in a source tree that may be source: not artifacts, version control, or venvs."""

from __future__ import annotations

import fnmatch
import os
from typing import TYPE_CHECKING

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
PROJECT_FILES = {"pyproject.toml", "setup.py", "setup.cfg"}


def source_names(
    directory: str, subdirectories: list[str], filenames: list[str], *, is_root: bool
) -> list[str]:
    """Return the names in a directory that may be source, and remove other subdirectories.

    Args:
        directory: The directory.
        subdirectories: Its subdirectories. Reduced and sorted here.
        filenames: Its files.
        is_root: Whether it is the root of the source tree.

    Returns:
        The sorted names of subdirectories and files.

    """
    is_project = is_root or not PROJECT_FILES.isdisjoint(filenames)
    patterns = (*_IGNORED, *_BUILD_OUTPUT) if is_project else _IGNORED
    stores = _venv_stores(directory, subdirectories)
    subdirectories[:] = sorted(
        name for name in _not_matching(subdirectories, patterns) if name not in stores
    )
    return sorted([*subdirectories, *_not_matching(filenames, patterns)])


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
