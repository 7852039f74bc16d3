"""`converge wrapper`: the module for a configuration-management tool, of this version."""

from __future__ import annotations

import sys
from pathlib import Path

from engine import __version__
from engine.cli.command import Command
from states.wrappers import PLACES, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("tool", choices=sorted(PLACES), help="for which tool")
    parser.add_argument("--to", required=True, type=Path, metavar="DIR", help="where to write it")


def _wrapper(arguments: Namespace, compose: BuildRegistry) -> int:
    for path in write(arguments.tool, arguments.to, __version__):
        sys.stdout.write(f"{path}\n")
    return 0


COMMAND = Command(
    "wrapper", "write the module for Ansible, Salt, pyinfra or DSC", _options, _wrapper
)
