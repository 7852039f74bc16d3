"""`converge validate`: parse and check a declaration, and report all errors."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from engine.cli import options
from engine.cli.command import Command
from engine.declaration.load import load_declaration, read_sources
from engine.errors import summarize
from engine.output.text import count

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry
    from engine.declaration.source_file import SourceFile
    from engine.resource import Resource


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help=options.FILE_HELP)
    options.add_allow_empty_option(parser)
    parser.add_argument(
        "--json", action="store_true", help="Print one JSON document to standard output"
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="Print nothing if the declaration is valid"
    )
    options.add_color_option(parser)


def _validate(arguments: Namespace, build_registry: BuildRegistry) -> int:
    settings = options.build_settings(arguments)
    registry = build_registry(settings)
    sources = read_sources(arguments.files, registry)
    resources = load_declaration(
        sources, registry, settings.cache, allow_empty=arguments.allow_empty
    )
    if arguments.json:
        from engine.output.report import to_json

        sys.stdout.write(to_json(_document(sources, resources)))
    elif not arguments.quiet:
        counts = count(len(resources), "resource"), count(len(sources), "file")
        sys.stdout.write(f"Valid: {' in '.join(counts)}.\n")
    return 0


def _document(
    sources: tuple[SourceFile, ...], resources: tuple[Resource, ...]
) -> dict[str, object]:
    code, name, retryable = summarize([])
    return {
        "command": "validate",
        "files": {
            source.file: [
                resource.address for resource in resources if resource.file == source.file
            ]
            for source in sources
        },
        "problems": [],
        "exit": {"code": code, "class": name, "retryable": retryable},
    }


COMMAND = Command(
    "validate",
    "Report all errors in the declaration",
    _add_arguments,
    _validate,
    group="Declaration",
    is_read_only=True,
    description="""\
The command parses and validates all files as one declaration, and reports every error with its
file, line, and column. It doesn't read the state of the resources or query an index.""",
    examples=("converge validate converge.d", "converge validate --quiet - < site.json"),
    exit_codes=(
        ("0", "the declaration is valid"),
        ("64", "invalid arguments"),
        ("65", "invalid declaration"),
        ("66", "no such file"),
        ("77", "no permission, or unsafe ownership"),
    ),
)
