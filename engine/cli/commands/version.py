"""`converge version`: print the version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine import FORMAT_VERSION, __version__
from engine.cli.command import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="Print a JSON document with the version of its format"
    )


def _version(arguments: Namespace, build_registry: BuildRegistry) -> int:
    versions = {"version": __version__, "format_version": FORMAT_VERSION}
    print(json.dumps(versions) if arguments.json else __version__)
    return 0


COMMAND = Command("version", "Print the version", _add_arguments, _version, is_read_only=True)
