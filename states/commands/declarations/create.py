"""Create the files of a declaration, without overwriting others."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from engine.cli import options
from engine.declaration.json_schema import declaration_schema
from engine.errors import NoInput, UsageError, from_os_error

if TYPE_CHECKING:
    from argparse import Namespace

    from engine.cli.command import BuildRegistry
    from engine.errors import ConvergeError

SCHEMA = "converge.schema.json"
"""The name of the JSON Schema beside a declaration."""


def require_parent(path: str) -> None:
    """Check that the directory of a file exists.

    Raises:
        NoInput: It doesn't.

    """
    directory = os.path.dirname(path)
    if directory and not os.path.isdir(directory):
        raise NoInput(f"directory doesn't exist: `{directory}`", hint="create it first")


def check_new(path: str, hint: str) -> None:
    """Check that a file can be created at a path.

    Args:
        path: The path.
        hint: The remedy if it exists.

    Raises:
        UsageError: It exists.
        NoInput: The directory doesn't exist.

    """
    require_parent(path)
    if os.path.lexists(path):
        raise UsageError(f"file already exists: `{path}`", hint=hint)


def create(path: str, content: str) -> None:
    """Create a file. Raises `FileExistsError` if it exists."""
    with open(path, "x", encoding="utf-8") as stream:
        stream.write(content)


def create_schema(path: str, arguments: Namespace, build_registry: BuildRegistry) -> bool:
    """Create the JSON Schema, or if the file exists, return whether it is the current one.

    Args:
        path: The file.
        arguments: The parsed arguments.
        build_registry: The composition root.

    Returns:
        Whether the file has the current content.

    """
    schema = declaration_schema(build_registry(options.build_settings(arguments)))
    return _create_or_compare(path, json.dumps(schema, indent=2) + "\n")


def _create_or_compare(path: str, content: str) -> bool:
    """Create a file, or if it exists, return whether it has this content."""
    try:
        create(path, content)
    except FileExistsError:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read() == content
    return True


def not_created(path: str, error: OSError) -> ConvergeError:
    """Return the error for a directory in which no file can be created, with its full path."""
    translated = from_os_error(error)
    directory = os.path.dirname(os.path.abspath(path))
    message = f"can't create files in `{directory}`: {(error.strerror or str(error)).lower()}"
    hint = translated.hint or "change to another directory, or name a file in one"
    return type(translated)(message, hint=hint)
