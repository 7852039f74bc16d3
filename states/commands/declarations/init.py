"""`converge init`: write an initial declaration, and the schema that editors read."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from engine.cli.command import Command
from engine.errors import UsageError
from states.commands.declarations.create import (
    SCHEMA,
    check_new,
    create,
    create_schema,
    not_created,
)

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry

_DECLARATION = f"""\
#:schema ./{SCHEMA}

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
    if path in ("", "-"):  # Other commands read standard input for `-`.
        raise UsageError(
            f"invalid file name: `{path}`", hint="for example: `converge init converge.toml`"
        )
    check_new(path, hint="choose another file name")
    schema_path = os.path.join(os.path.dirname(path), SCHEMA)
    try:
        is_current = create_schema(schema_path, arguments, build_registry)
        create(path, _DECLARATION)
    except OSError as error:
        raise not_created(path, error) from error
    suffix = f" and {schema_path}" if is_current else f"; kept {schema_path}, which differs"
    sys.stdout.write(f"wrote {path}{suffix}\nNext, run: converge plan {path}\n")
    return 0


COMMAND = Command(
    "init",
    "Write an initial declaration and its JSON Schema",
    _add_arguments,
    _init,
    group="Declaration",
    description="Overwrites no file. Editors use the schema to validate and complete keys.",
    examples=("converge init", "converge init site.toml"),
)
