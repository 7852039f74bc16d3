"""Find the program that a command would start, as execvp(3) and the kernel do."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from engine.system.existence import is_directory, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_MAX_HEAD = 256
"""Bytes of the first line of a script that the kernel reads (binfmt_script.c)."""


def find_program(
    program: str,
    env: Mapping[str, str],
    cwd: str,
    may_create: Callable[[str], bool] = lambda _: False,
) -> str | None:
    """Return the path of a program.

    Args:
        program: The first argument of the command.
        env: The environment of the command, for PATH.
        cwd: Its working directory.
        may_create: Whether a path that doesn't exist may be created before the command runs.

    Returns:
        The absolute path, or None if it isn't known yet.

    Raises:
        FileNotFoundError, NotADirectoryError, PermissionError: `subprocess` would raise this.

    """
    if may_create(cwd):
        return None
    _require_enterable(cwd)
    denied = False
    for candidate in _candidates(program, env, cwd):
        if may_create(candidate):
            return None
        try:
            if status(candidate) is None:
                continue
        except PermissionError:
            denied = True
            continue
        if is_directory(candidate) or not os.access(candidate, os.X_OK, effective_ids=True):
            denied = True
            continue
        interpreter = _script_interpreter(candidate)
        if interpreter and may_create(interpreter):
            return None
        if interpreter and status(interpreter) is None:
            continue  # The kernel reports the script itself as missing.
        return candidate
    number = errno.EACCES if denied else errno.ENOENT
    raise OSError(number, os.strerror(number), program)


def _require_enterable(directory: str) -> None:
    """Check that a process can change to a directory.

    Raises:
        OSError: It can't.

    """
    target = status(directory)
    number = 0
    if target is None:
        number = errno.ENOENT
    elif not is_directory(directory):
        number = errno.ENOTDIR
    elif not os.access(directory, os.X_OK, effective_ids=True):
        number = errno.EACCES
    if number:
        raise OSError(number, os.strerror(number), directory)


def _candidates(program: str, env: Mapping[str, str], cwd: str) -> Iterator[str]:
    if "/" in program:
        yield os.path.join(cwd, program)
        return
    for directory in os.get_exec_path(dict(env)):
        yield os.path.join(cwd, directory, program)


def _script_interpreter(path: str) -> str:
    """Return the interpreter in the first line of a script, or an empty string.

    A program that the user may run but not read isn't a script: its interpreter couldn't read it.
    """
    try:
        with open(path, "rb") as stream:
            head = stream.read(_MAX_HEAD)
    except PermissionError:
        return ""
    parts = head.partition(b"\n")[0].removeprefix(b"#!").split()
    return os.fsdecode(parts[0]) if head.startswith(b"#!") and parts else ""
