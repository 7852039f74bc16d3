"""Refuse to create anything in a generation: it would be drift, and be deleted with it."""

from __future__ import annotations

import os

from engine.errors import ConvergeError
from states.venv.layout import RECEIPT


def refuse_nested(path: str) -> None:
    """Raise ConvergeError if a path to create is inside a generation of any venv."""
    folder = os.path.realpath(os.path.dirname(path))
    while folder != "/":
        if os.path.lexists(f"{folder}/{RECEIPT}"):
            raise ConvergeError(
                f"`{path}` lies in `{folder}`, which converge made for another venv",
                hint="choose a path outside of it",
            )
        folder = os.path.dirname(folder)
