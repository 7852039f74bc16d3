"""Links through which an interpreter wouldn't find its environment.

CPython and PyPy look for `pyvenv.cfg` in the directory of the path that they were started with, and
in its parent directory. They don't resolve symlinks first. If a link points to the interpreter, or
to its directory, they run as the base interpreter, and an installer would change that.
"""

from __future__ import annotations

import os
import re

from engine.system.existence import is_file

_INTERPRETER = re.compile(r"(?:python|pypy)[0-9.]*t?")


def lost_environment(target: str, link: str) -> tuple[str, str] | None:
    """Return why an interpreter wouldn't find its environment, by the names in a path.

    Args:
        target: The target of the link: a path inside a venv, or an absolute path.
        link: The declared target, for the message.

    Returns:
        The message and the hint, or None if the link works.

    """
    directory, name = os.path.split(os.path.normpath(target))
    if os.path.basename(directory) == "bin" and _INTERPRETER.fullmatch(name):
        hint = "use the interpreter's own path, or a script that runs it with `exec`"
    elif name == "bin":
        hint = 'link to the venv itself, for example `to = "venv.web:."`'
    else:
        return None
    return f"an interpreter doesn't find its venv through a link: `{link}`", hint


def is_in_environment(target: str) -> bool:
    """Return whether an interpreter, or the directory `bin`, is part of an environment."""
    target = os.path.normpath(target)
    directory = target if os.path.basename(target) == "bin" else os.path.dirname(target)
    return is_file(os.path.join(os.path.dirname(directory), "pyvenv.cfg"))
