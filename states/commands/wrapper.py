"""`converge wrapper`: write the module for a configuration-management tool."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine import __version__
from engine.cli.command import Command
from states.wrappers import PLACES, write

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("tool", choices=sorted(PLACES), help="Configuration-management tool")
    parser.add_argument("--to", required=True, type=Path, metavar="DIR", help="Output directory")


def _wrapper(arguments: Namespace, build_registry: BuildRegistry) -> int:
    for path in write(arguments.tool, arguments.to, __version__):
        sys.stdout.write(f"{path}\n")
    return 0


COMMAND = Command(
    "wrapper",
    "Write the module or the role for a configuration-management tool",
    _add_arguments,
    _wrapper,
    description="Writes the module of this version. Replaces files that an earlier call wrote.",
    examples=("converge wrapper ansible --to collections",),
)
