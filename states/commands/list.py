"""`converge list`: print the venvs that converge manages on this host. Reads only, and cheaply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.cli import options
from engine.cli.command import Command
from engine.declaration.records import all_entries
from engine.errors import ConvergeError, from_os_error
from engine.frozen import frozen
from engine.resource import from_dict
from engine.system.existence import exists, lstat
from states.commands.per_venv import address_error, print_results
from states.commands.text.list import format_list
from states.commands.venv_arguments import load_resources, present_venvs
from states.system import timestamps
from states.venv.generations.hold import effective_hold
from states.venv.layout import store_of
from states.venv.observe import PUBLISHED, published_state

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator
    from typing import Any

    from engine.cli.command import BuildRegistry
    from engine.registry import KindRegistry
    from engine.resource import Resource
    from engine.settings import Settings


@frozen
class _Entry:
    """A venv, and whether its file still declares it, as far as the record knows."""

    venv: Resource
    declared: bool


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
    # Not the other output options: this command shows no progress, and hides nothing.
    parser.add_argument("--json", action="store_true", help="Print one JSON document")
    options.add_color_option(parser)


def _list(arguments: Namespace, build_registry: BuildRegistry) -> int:
    settings = options.build_settings(arguments)
    if arguments.files:
        registry, resources = load_resources(arguments, build_registry)
        entries = [_Entry(venv, declared=True) for venv in present_venvs(resources)]
        entries += _undeclared(entries, registry, settings)
    else:
        entries = [*_recorded(build_registry(settings), settings)]
    entries.sort(key=lambda entry: (entry.venv.file, entry.venv.address, entry.venv.spec.path))
    rows, errors = _describe(entries)
    lines = format_list(rows)
    return print_results({"venvs": rows}, lines, errors, arguments)


def _describe(entries: Iterable[_Entry]) -> tuple[list[dict[str, Any]], dict[str, ConvergeError]]:
    """Return a row for each venv that can be read, and the errors of the others by path."""
    rows: list[dict[str, Any]] = []
    errors: dict[str, ConvergeError] = {}
    for entry in entries:
        try:
            rows.append(_row(entry))
        except OSError as error:
            errors[entry.venv.spec.path] = address_error(entry.venv.address, error)
    return rows, errors


def _recorded(registry: KindRegistry, settings: Settings) -> Iterator[_Entry]:
    """Yield each venv in the inventory of this user, once for each path.

    Raises:
        ConvergeError: The inventory can't be read.

    """
    by_path: dict[str, _Entry] = {}
    try:
        for file, entry in all_entries(settings.state):
            try:
                venv = from_dict(entry, registry.kinds)
            except (KeyError, TypeError, AttributeError, ValueError):
                continue  # It was written by another version.
            declared = not entry.get("orphaned") and exists(file)
            # A table that moved to another file is an orphan of the first one.
            if venv.kind == "venv" and (declared or venv.spec.path not in by_path):
                by_path[venv.spec.path] = _Entry(venv, declared=declared)
    except OSError as error:
        raise from_os_error(error) from error
    yield from by_path.values()


def _undeclared(
    entries: Iterable[_Entry], registry: KindRegistry, settings: Settings
) -> list[_Entry]:
    """Return the recorded venvs of the same files that those no longer declare.

    Args:
        entries: The declared venvs.
        registry: The kinds.
        settings: The settings of this run.

    Returns:
        The others that are recorded for these files.

    """
    files = {entry.venv.file for entry in entries}
    paths = {entry.venv.spec.path for entry in entries}
    return [
        entry
        for entry in _recorded(registry, settings)
        if not entry.declared and entry.venv.file in files and entry.venv.spec.path not in paths
    ]


def _row(entry: _Entry) -> dict[str, Any]:
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
    empty_document=lambda _: {"venvs": []},
    description="""\
Without FILE, lists the venvs of all files that the current user applied. Reads one symlink of
each, hashes nothing, and so doesn't know about drift. To test for drift, use `converge check`.""",
    examples=("converge list", "converge list /etc/converge --json"),
)
