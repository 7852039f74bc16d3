"""`converge graph`: print the dependency graph of a declaration."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from engine.cli import options
from engine.cli.command import Command
from engine.declaration.load import load_declaration, read_sources
from engine.output.graph_formats import FORMATS, format_graph

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry


def _add_arguments(parser: ArgumentParser) -> None:
    options.add_files_argument(parser)
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="Output format (default: text)"
    )


def _graph(arguments: Namespace, build_registry: BuildRegistry) -> int:
    arguments.data = arguments.format != "text"
    settings = options.build_settings(arguments)
    registry = build_registry(settings)
    sources = read_sources(arguments.files, registry)
    order = load_declaration(sources, registry, settings.cache, allow_empty=arguments.allow_empty)
    selected = options.select_resources(order, arguments.only)
    sys.stdout.write(format_graph(selected, registry, arguments.format))
    return 0


COMMAND = Command(
    "graph",
    "Print the dependency graph as text, DOT, or Mermaid",
    _add_arguments,
    _graph,
    group="Declaration",
    is_read_only=True,
    description="""\
The command parses and validates the declaration. It doesn't read the state of the resources.""",
    examples=("converge graph --format dot site.toml | dot -Tsvg > site.svg",),
)
