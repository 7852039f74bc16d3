"""Links through which an interpreter would not find its environment.

CPython and PyPy look for `pyvenv.cfg` in the directory of the path that they were started with, and
in its parent directory. They don't follow a symlink first. Through a link to the interpreter, or to
its directory, they run as the base interpreter, and an installer would change that.
"""

from __future__ import annotations

import os
import re

_INTERPRETER = re.compile(r"(python|pypy)[0-9.]*t?")
_HINTS = {
    "interpreter": 'link to a script of a package, or write a script: `exec {} "$@"`',
    "directory": "link to the venv itself, which is `{}`",
}


def lost_environment(path: str, link: str) -> tuple[str, str] | None:
    """Return why an interpreter wouldn't find its environment through a link.

    Args:
        path: The target of the link: a path inside a venv, such as `bin/python`, or an absolute
            path.
        link: The value in the declaration, for the message.

    Returns:
        The message and the hint, or None if the link works. Read from the names only.

    """
    path = os.path.normpath(path)
    directory, name = os.path.split(path)
    if os.path.basename(directory) == "bin" and _INTERPRETER.fullmatch(name):
        kind, target = "interpreter", path
    elif name == "bin":
        kind, target = "directory", directory or "venv.NAME:."
    else:
        return None
    message = f"an interpreter doesn't find its venv through a link: `{link}`"
    return message, _HINTS[kind].format(target)


def is_in_environment(path: str) -> bool:
    """Return whether an interpreter, or its directory, belongs to an environment."""
    directory = path if os.path.basename(path) == "bin" else os.path.dirname(path)
    return os.path.isfile(os.path.join(os.path.dirname(directory), "pyvenv.cfg"))
