"""The names of the lockfiles for the targets."""

from __future__ import annotations

from states.venv.resolve.lockfile import default_name

LOCKS = "locks"
"""The directory of the lockfiles, relative to the published directory."""


def lock_name(venv: str) -> str:
    """Return the name of the lockfile of a venv by its address."""
    return default_name(venv.partition(".")[2])
