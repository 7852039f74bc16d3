"""`converge init`: a first declaration, and the schema that editors read."""

from __future__ import annotations

import json
import os
import sys

from engine.cli import options
from engine.cli.command import Command
from engine.declaration.json_schema import declaration_schema
from engine.errors import NoInput, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry

_SCHEMA = "converge.schema.json"
_FIRST = f"""\
#:schema ./{_SCHEMA}

[defaults]
python = "3"                       # a version, a range, or an absolute path

[venv.example]
path = "venvs/example"             # relative to this file
packages = ["httpx[cli]"]          # as PEP 508 writes them

[link."bin/httpx"]
to = "venv.example:bin/httpx"
"""


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", default="converge.toml", metavar="FILE", help="converge.toml by default"
    )


def _init(arguments: Namespace, compose: BuildRegistry) -> int:
    path = arguments.file
    folder = os.path.dirname(path)
    schema = os.path.join(folder, _SCHEMA)
    if path in ("", "-"):  # which means standard input to all other verbs
        raise UsageError(f"`{path}` names no file", hint="as in `converge init converge.toml`")
    if folder and not os.path.isdir(folder):
        raise NoInput(f"no such folder: `{folder}`", hint="make it first")
    if os.path.lexists(path):
        raise UsageError(f"`{path}` is there already", hint="name another file")
    text = (
        json.dumps(declaration_schema(compose(options.build_settings(arguments))), indent=2) + "\n"
    )
    beside = (
        f" and {schema}" if _wrote(schema, text) else f"; kept {schema}, which says something else"
    )
    _write(path, _FIRST)
    sys.stdout.write(f"wrote {path}{beside}; next: converge plan {path}\n")
    return 0


def _wrote(path: str, text: str) -> bool:
    """Write a file unless it is there; tell whether it now says just this."""
    try:
        _write(path, text)
    except FileExistsError:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read() == text
    return True


def _write(path: str, text: str) -> None:
    with open(path, "x", encoding="utf-8") as stream:
        stream.write(text)


COMMAND = Command(
    "init",
    "write a first declaration",
    _options,
    _init,
    group="Declaration",
)
