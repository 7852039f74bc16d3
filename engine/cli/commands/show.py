"""`converge show`: print resources with all their values, and where each is declared."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from engine.cli import options
from engine.cli.addresses import find_addresses
from engine.cli.command import Command
from engine.declaration.load import build_uncached, read_sources, require_content
from engine.errors import UsageError, summarize
from engine.output.expanded.document import expanded_documents
from engine.output.expanded.expand import expand
from engine.output.expanded.text import format_expanded
from engine.output.report import to_json
from engine.output.text import Paint

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="?", metavar="FILE", help=options.FILE_HELP)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="ADDRESS",
        help="Resource to print, such as link.bin/web. Repeatable. Accepts * and ?",
    )
    parser.set_defaults(takes_addresses=True)
    options.add_document_options(parser)


def _show(arguments: Namespace, build_registry: BuildRegistry) -> int:
    registry = build_registry(options.build_settings(arguments))
    sources = read_sources(arguments.files, registry)
    order, declaration = build_uncached(sources, registry)
    require_content(sources, order)
    if not arguments.names:
        declared = ", ".join(resource.address for resource in order) or "none"
        raise UsageError("missing argument: ADDRESS", hint=f"declared resources: {declared}")
    addresses = find_addresses(order, arguments.names)
    selected = [resource for resource in order if resource.address in addresses]
    expanded = expand(selected, order, declaration, registry.kinds)
    if arguments.json:
        code, name, retryable = summarize([])
        outcome = {"code": code, "class": name, "retryable": retryable}
        sys.stdout.write(to_json({"resources": expanded_documents(expanded), "exit": outcome}))
    else:
        paint = Paint(options.use_color(arguments.color, sys.stdout))
        sys.stdout.write(format_expanded(expanded, paint))
    return 0


COMMAND = Command(
    "show",
    "Print a resource with all its values, and where each is declared",
    _add_arguments,
    _show,
    group="Declaration",
    is_read_only=True,
    empty_document=lambda _: {"resources": []},
    description="""\
The output is a declaration with a comment for each value: its file and line, or `default`. Paths
are absolute, and defaults are merged. Comments at the end list the resources that are applied
before and after. The command doesn't read the state of the resources.""",
    examples=(
        "converge show site.toml link.bin/web",
        "converge show converge.d 'link.*' --json",
    ),
)
