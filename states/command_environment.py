"""The environment of a command: the declared variables, in a minimal environment."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from states.system.references import dereference
from states.system.subprocesses import clean_environment
from states.system.users import home_of

if TYPE_CHECKING:
    from typing import TypeAlias

    from engine.table import Inputs
    from states.system.subprocesses import User

    Variables: TypeAlias = tuple[tuple[str, str], ...]
    """Names and values, sorted."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def normalize_variables(variables: dict[str, str], inputs: Inputs) -> Variables:
    """Return the variables with absolute paths in references. Reports invalid names."""
    normalized = []
    for name, value in sorted(variables.items()):
        key = ("environment", name)
        if not _VARIABLE.fullmatch(name):
            inputs.error(key, f"invalid name of a variable: `{name}`", "use letters, digits, and _")
        if value.startswith("file:") and not value.startswith("file://"):
            value = f"file:{inputs.path(value.removeprefix('file:'), key)}"  # noqa: PLW2901
        normalized.append((name, value))
    return tuple(normalized)


def environment(variables: Variables, user: User | None = None) -> dict[str, str]:
    """Return the environment of a command. Each reference is replaced by its value.

    Args:
        variables: The declared variables.
        user: The user that the command runs as. None for the current one.

    Returns:
        The environment.

    Raises:
        ConvergeError: A variable or a file that is referred to doesn't exist.
        OSError: A file can't be read.

    """
    values = {name: dereference(value, "environment") for name, value in variables}
    home = _home() if user is None else home_of(user)
    return clean_environment(home, {"TMPDIR": "/tmp", **values})


def secret_files(variables: Variables) -> list[str]:
    """Return the files that the variables refer to."""
    files = [value.removeprefix("file:") for _, value in variables if value.startswith("file:")]
    return [file for file in files if not file.startswith("//")]


def _home() -> str:
    """Return the home directory, or `/` for a user without one, as in a container."""
    home = os.path.expanduser("~")
    return home if os.path.isabs(home) else "/"
