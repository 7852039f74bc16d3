"""Find the program that a command would start, as execvp(3) and the kernel do."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from engine.system.existence import is_directory, listdir_or_empty, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_OTHER_FORMATS = "/proc/sys/fs/binfmt_misc"
"""Lists formats of programs that the host has registered (binfmt_misc), and two control files."""
_MAX_HEAD = 256
"""Bytes of the first line of a script that the kernel reads (binfmt_script.c)."""


class ExecFormatError(OSError):
    """A file has none of the formats that the kernel can execute."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.ENOEXEC, os.strerror(errno.ENOEXEC), path)


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
        ExecFormatError: The program is a script without `#!`, for example.

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
        head = _head(candidate)
        if head is not None and not _is_executable_format(head):
            raise ExecFormatError(candidate)
        interpreter = _script_interpreter(head or b"")
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


def _head(path: str) -> bytes | None:
    """Return the beginning of a program, or None if the user may run it but not read it.

    Such a program isn't a script: its interpreter couldn't read it.
    """
    try:
        with open(path, "rb") as stream:
            return stream.read(_MAX_HEAD)
    except PermissionError:
        return None


def _is_executable_format(head: bytes) -> bool:
    """Return whether the kernel executes a file that begins so."""
    if head.startswith((b"\x7fELF", b"#!")):
        return True
    # A registered format may begin with anything.
    return len(listdir_or_empty(_OTHER_FORMATS)) > 2


def _script_interpreter(head: bytes) -> str:
    """Return the interpreter in the first line of a script, or an empty string."""
    parts = head.partition(b"\n")[0].removeprefix(b"#!").split()
    return os.fsdecode(parts[0]) if head.startswith(b"#!") and parts else ""
