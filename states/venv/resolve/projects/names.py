"""The names by which a file of a project is recognized."""

from __future__ import annotations

import os

PYPROJECT = "pyproject.toml"
UV_LOCK = "uv.lock"


def is_pyproject(name: str) -> bool:
    """Return whether a path is that of a `pyproject.toml`."""
    return os.path.basename(name) == PYPROJECT and "://" not in name


def is_uv_lock(path: str) -> bool:
    """Return whether a path is that of the lockfile of a uv project."""
    return os.path.basename(path) == UV_LOCK
