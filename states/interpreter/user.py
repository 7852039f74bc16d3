"""The user as whom root runs the interpreter of a venv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from states.system.users import user_of_paths

if TYPE_CHECKING:
    from states.interpreter.discovery import Python
    from states.system.subprocesses import User


def user_of_python(python: Python) -> User | None:
    """Return the user as whom root has to start an interpreter, by all of its watched files.

    Raises:
        PermissionDenied: Several users can change it.

    """
    return user_of_paths((python.executable, *sorted(python.watched)), python.executable)
