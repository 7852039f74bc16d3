"""`converge schema`: print a JSON Schema."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from engine.cli import options
from engine.cli.command import Command
from engine.declaration.json_schema import declaration_schema
from engine.output.json_schema import output_schema

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "of",
        nargs="?",
        choices=("declaration", "output"),
        default="declaration",
        help="The schema of declarations, or of the output of `--json` (default: declaration)",
    )
    parser.set_defaults(data=True)


def _schema(arguments: Namespace, build_registry: BuildRegistry) -> int:
    if arguments.of == "output":
        schema = output_schema()
    else:
        schema = declaration_schema(build_registry(options.build_settings(arguments)))
    sys.stdout.write(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
    return 0


COMMAND = Command(
    "schema",
    "Print the JSON Schema of declarations or of the JSON output",
    _add_arguments,
    _schema,
    group="Declaration",
    is_read_only=True,
    examples=("converge schema > converge.schema.json",),
)
