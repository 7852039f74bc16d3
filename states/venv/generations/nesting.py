"""Nothing is made inside a generation: it would be found there as damage, and go with it."""

from __future__ import annotations

import os

from engine.errors import ConvergeError
from states.venv.layout import RECEIPT


def refuse_nested(path: str) -> None:
    """Raise `ConvergeError` if a path that is to be made lies in a generation of any venv."""
    folder = os.path.realpath(os.path.dirname(path))
    while folder != "/":
        if os.path.lexists(f"{folder}/{RECEIPT}"):
            raise ConvergeError(
                f"`{path}` lies in `{folder}`, which converge made for another venv",
                hint="choose a path outside of it",
            )
        folder = os.path.dirname(folder)
