"""`converge list`: print the venvs that converge manages on this host. Reads only, and cheaply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.cli import options
from engine.cli.command import Command
from engine.system.existence import lstat
from states.commands.host.venvs import VenvEntry, venvs_of_host
from states.commands.per_venv import address_error, print_results
from states.commands.text.list import format_list
from states.system import timestamps
from states.venv.generations.hold import effective_hold
from states.venv.layout import store_of
from states.venv.observe import PUBLISHED, published_state

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable
    from typing import Any

    from engine.cli.command import BuildRegistry
    from engine.errors import ConvergeError


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="TOML file, directory (every *.toml in it), or - for standard input "
        "(default: all files that were applied on this host)",
    )
    parser.set_defaults(default_file=False)
    options.add_allow_empty_option(parser)
    options.add_document_options(parser)


def _list(arguments: Namespace, build_registry: BuildRegistry) -> int:
    rows, errors = _describe(venvs_of_host(arguments, build_registry))
    lines = format_list(rows)
    return print_results({"venvs": rows}, lines, errors, arguments)


def _describe(
    entries: Iterable[VenvEntry],
) -> tuple[list[dict[str, Any]], dict[str, ConvergeError]]:
    """Return a row for each venv that can be read, and the errors of the others by path."""
    rows: list[dict[str, Any]] = []
    errors: dict[str, ConvergeError] = {}
    for entry in entries:
        try:
            rows.append(_row(entry))
        except OSError as error:
            errors[entry.venv.spec.path] = address_error(entry.venv.address, error)
    return rows, errors


def _row(entry: VenvEntry) -> dict[str, Any]:
    """Return one venv, in the form that `--json` prints."""
    venv = entry.venv
    store = store_of(venv.spec.path)
    state, generation = published_state(store)
    is_live = state == PUBLISHED
    hold = effective_hold(store)
    held = hold is not None and hold.generation == (generation if is_live else state)
    status = lstat(store.published) if is_live else None
    return {
        "address": venv.address,
        "path": venv.spec.path,
        "file": venv.file,
        "declared": entry.declared,
        "state": "live" if is_live else state,
        "generation": generation if is_live else None,
        # The symlink was created for this publication.
        "since": timestamps.from_seconds(status.st_mtime) if status else None,
        "held": held,
        "drift": None,
    }


COMMAND = Command(
    "list",
    "List the venvs that converge manages on this host",
    _add_arguments,
    _list,
    group="Inspection",
    is_read_only=True,
    empty_document=lambda _: {"venvs": []},
    description="""\
Without FILE, lists the venvs of all files that the current user applied. Reads one symlink of
each, hashes nothing, and so doesn't know about drift. To test for drift, use `converge check`.""",
    examples=("converge list", "converge list /etc/converge --json"),
)
