"""Find out which modules a script imports, and which programs a command line starts.

A script is parsed, and never executed.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
from functools import lru_cache
from typing import TYPE_CHECKING

from engine.system.existence import exists, is_directory, proves_no_file, resolve
from engine.system.files import iter_chunks
from states.global_installs.references.reference import Usage, joined

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""The directories that systemd and cron search for a program without a path (systemd.exec(5))."""
_MAX_SCRIPT_SIZE = 1 << 20
"""In bytes. Parsing takes about a hundred times as much RAM."""
_PYTHON = re.compile(r"(python|pypy)3?(\.\d+)?[a-z]*")
_WRAPPERS = (
    "env",
    "exec",
    "nice",
    "ionice",
    "nohup",
    "setsid",
    "sudo",
    "time",
    "command",
    "chronic",
)
_SEPARATORS = ";&|()<>"
_MAX_DEPTH = 3
"""Command lines in command lines, such as `sh -c "env python3 script"`."""


def command_usage(arguments: Sequence[str], depth: int = 0) -> Usage:
    """Return what a command line uses.

    Wrappers such as `env`, `nice`, and `sh -c` are common. Therefore each argument that names a
    file counts as a program.

    Args:
        arguments: The command line.
        depth: The number of command lines that contain this one.

    Raises:
        OSError: A script can't be read.

    """
    usages: list[Usage] = []
    interpreter = previous = ""
    for index, argument in enumerate(arguments):
        path = _program(argument, searched=_starts_program(previous))
        if not argument.startswith("-") and "=" not in argument:
            previous = argument
        if interpreter and argument == "-m" and index + 1 < len(arguments):
            usages.append(Usage(imports=((interpreter, _top_level(arguments[index + 1])),)))
        elif path and _PYTHON.fullmatch(os.path.basename(path)):
            interpreter = resolve(path)
            usages.append(Usage(programs=(path,)))
        elif path:
            usages.append(script_usage(path, interpreter))
        elif " " in argument and depth < _MAX_DEPTH:
            usages.append(command_usage(split_command(argument), depth + 1))
    return joined(usages)


def _starts_program(previous: str) -> bool:
    """Return whether a program follows an argument: the beginning, a wrapper, or `;`."""
    return os.path.basename(previous) in _WRAPPERS or set(previous) <= set(_SEPARATORS)


def split_command(text: str) -> list[str]:
    """Split a command line as a shell does. With unbalanced quotes, split it at white space."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=_SEPARATORS)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:
        return text.split()


@lru_cache(4096)
def script_usage(path: str, interpreter: str = "") -> Usage:
    """Return a program, and the modules that it imports if it is a Python script.

    Args:
        path: The absolute path.
        interpreter: The interpreter that runs it, if the first line doesn't count.

    Raises:
        OSError: The script can't be read.

    """
    program = Usage(programs=(path,))
    head = _content(path, 256).partition(b"\n")[0]
    interpreter = interpreter or _script_interpreter(head)
    if not interpreter:
        return program
    modules = sorted(set(_imported_modules(_content(path, _MAX_SCRIPT_SIZE))))
    return joined([program, Usage(imports=tuple((interpreter, name) for name in modules))])


def _script_interpreter(head: bytes) -> str:
    """Return the Python interpreter in the first line of a script, or an empty string."""
    if not head.startswith(b"#!"):
        return ""
    for argument in os.fsdecode(head[2:]).split():
        path = _program(argument, searched=True)
        if path and _PYTHON.fullmatch(os.path.basename(path)):
            return resolve(path)
    return ""


def _imported_modules(content: bytes) -> Iterator[str]:
    """Yield the top-level modules that a script imports, also in functions."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # It is for another version of Python, or isn't Python.
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (_top_level(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield _top_level(node.module)


def _program(argument: str, *, searched: bool) -> str:
    """Return the path of the program that an argument names, or an empty string."""
    if argument.startswith("/"):
        candidates = [argument]
    elif "/" in argument or not searched or not argument:
        return ""
    else:
        candidates = [f"{directory}/{argument}" for directory in SEARCH_PATH]
    for path in candidates:
        if "\0" not in path and exists(path) and not is_directory(path):
            parent, name = os.path.split(path)
            return os.path.join(resolve(parent), name)
    return ""


def _content(path: str, size: int) -> bytes:
    """Return the beginning of a regular file, or nothing for anything else."""
    try:
        return b"".join(iter_chunks(resolve(path), size))
    except OSError as error:
        if proves_no_file(error):
            return b""
        raise


def _top_level(module: str) -> str:
    return module.partition(".")[0]
