"""Refuse to create anything in a generation: it would be drift, and be deleted with it."""

from __future__ import annotations

import os

from engine.errors import ConvergeError
from engine.system.existence import entry_exists, resolve
from states.venv.layout import RECEIPT


def refuse_nested(path: str) -> None:
    """Check a path that is about to be created.

    Raises:
        ConvergeError: The path is inside a generation of any venv.
        OSError: A parent can't be read, so that isn't known.

    """
    directory = resolve(os.path.dirname(path))
    while directory != "/":
        if entry_exists(f"{directory}/{RECEIPT}"):
            raise ConvergeError(
                f"`{path}` is inside `{directory}`, a generation of another venv",
                hint="choose a path outside of it",
            )
        directory = os.path.dirname(directory)
