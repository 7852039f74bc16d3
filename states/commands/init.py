"""`converge init`: write an initial declaration, and the schema that editors read."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from engine.cli import options
from engine.cli.command import Command
from engine.declaration.json_schema import declaration_schema
from engine.errors import NoInput, UsageError, from_os_error

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry
    from engine.errors import ConvergeError

_SCHEMA = "converge.schema.json"
_DECLARATION = f"""\
#:schema ./{_SCHEMA}

[defaults]
python = "3"                       # version, version range, or absolute path

[venv.example]
path = "venvs/example"             # relative to this file
packages = ["httpx[cli]"]          # requirements as defined by PEP 508

[link."bin/httpx"]
to = "venv.example:bin/httpx"
"""


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="?",
        default="converge.toml",
        metavar="FILE",
        help="Declaration to create (default: converge.toml)",
    )


def _init(arguments: Namespace, build_registry: BuildRegistry) -> int:
    path = arguments.file
    _check_path(path)
    schema_path = os.path.join(os.path.dirname(path), _SCHEMA)
    schema = declaration_schema(build_registry(options.build_settings(arguments)))
    try:
        is_current = _create_or_compare(schema_path, json.dumps(schema, indent=2) + "\n")
        _create(path, _DECLARATION)
    except OSError as error:
        raise _not_created(path, error) from error
    suffix = f" and {schema_path}" if is_current else f"; kept {schema_path}, which differs"
    sys.stdout.write(f"wrote {path}{suffix}\nNext, run: converge plan {path}\n")
    return 0


def _check_path(path: str) -> None:
    """Check that a declaration can be created at a path.

    Raises:
        UsageError: The path isn't a file name, or it exists.
        NoInput: The directory doesn't exist.

    """
    directory = os.path.dirname(path)
    if path in ("", "-"):  # Other commands read standard input for `-`.
        raise UsageError(
            f"invalid file name: `{path}`", hint="for example: `converge init converge.toml`"
        )
    if directory and not os.path.isdir(directory):
        raise NoInput(f"directory doesn't exist: `{directory}`", hint="create it first")
    if os.path.lexists(path):
        raise UsageError(f"file already exists: `{path}`", hint="choose another file name")


def _not_created(path: str, error: OSError) -> ConvergeError:
    """Return the error for a directory in which no file can be created, with its full path."""
    translated = from_os_error(error)
    directory = os.path.dirname(os.path.abspath(path))
    message = f"can't create files in `{directory}`: {(error.strerror or str(error)).lower()}"
    hint = translated.hint or "change to another directory, or name a file in one"
    return type(translated)(message, hint=hint)


def _create_or_compare(path: str, content: str) -> bool:
    """Create a file, or if it exists, return whether it has this content."""
    try:
        _create(path, content)
    except FileExistsError:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read() == content
    return True


def _create(path: str, content: str) -> None:
    with open(path, "x", encoding="utf-8") as stream:
        stream.write(content)


COMMAND = Command(
    "init",
    "Write an initial declaration and its JSON Schema",
    _add_arguments,
    _init,
    group="Declaration",
    description="Overwrites no file. Editors use the schema to validate and complete keys.",
    examples=("converge init", "converge init site.toml"),
)
