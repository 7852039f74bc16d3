"""The options of `converge import` that declare indexes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.errors import UsageError
from states.installer.credentials import credentials_error
from states.system.references import is_reference
from states.venv.resolve.references import is_url

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any


def add_index_options(parser: ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--index-url", metavar="URL", default="", help="Index to declare, which provides the hashes"
    )
    parser.add_argument(
        "--extra-index-url",
        action="append",
        default=[],
        metavar="URL",
        help="Another index to declare. Repeatable",
    )
    parser.add_argument(
        "--find-links",
        action="append",
        default=[],
        metavar="LOCATION",
        help="Directory or page with wheels to declare. Repeatable",
    )
    parser.add_argument("--no-index", action="store_true", help="Declare no index")


def declared_indexes(arguments: Namespace) -> dict[str, Any]:
    """Return the keys that select indexes. Relative paths become absolute.

    Raises:
        UsageError: A URL contains a password.

    """
    urls = [arguments.index_url, *arguments.extra_index_url]
    for url in (*urls, *arguments.find_links):
        if message := credentials_error(url, query=True):
            hint = "other users see the command line; write `env:NAME`, and set that variable"
            raise UsageError(message, hint=hint)
    index_url, *extra = (_absolute(url) if is_reference(url) else url for url in urls)
    keys = {
        "index-url": index_url,
        "extra-index-url": extra,
        "find-links": [
            name if is_url(name) else os.path.abspath(name) for name in arguments.find_links
        ],
        "no-index": arguments.no_index,
    }
    return {key: value for key, value in keys.items() if value}


def _absolute(reference: str) -> str:
    source, _, name = reference.partition(":")
    return reference if source == "env" else f"{source}:{os.path.abspath(name)}"
