"""`converge history`: show the changes between generations. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.cli import options
from engine.cli.command import Command
from engine.output.text import count
from states.commands.host.removals import format_removals, history_document, named_global
from states.commands.per_venv import print_result
from states.commands.venv_arguments import add_venv_arguments, find_venv, load_resources
from states.venv.generations.gc import is_pinned, is_quarantined
from states.venv.generations.hold import effective_hold
from states.venv.generations.in_use import is_in_use
from states.venv.generations.store import list_adopted, list_generations, live_id
from states.venv.integrity.receipt import read_receipt
from states.venv.layout import store_of
from states.venv.observe import FOREIGN, published_state

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from typing import Any

    from engine.cli.command import BuildRegistry
    from states.commands.text.table import Line
    from states.venv.integrity.receipt import Receipt
    from states.venv.layout import Store

_MARKS = ("live", "held", "pinned", "quarantined", "in_use")


def _add_arguments(parser: ArgumentParser) -> None:
    add_venv_arguments(parser)
    options.add_document_options(parser)


def _history(arguments: Namespace, build_registry: BuildRegistry) -> int:
    _, resources = load_resources(arguments, build_registry)
    resource = named_global(resources, [arguments.name] if arguments.name else [])
    if resource is not None:
        removals = history_document(resource)
        print_result(removals, format_removals(removals), arguments)
        return 0
    venv = find_venv(resources, arguments.name)
    store = store_of(venv.spec.path)
    is_foreign = published_state(store)[0] == FOREIGN
    document = {
        "address": venv.address,
        "live": FOREIGN if is_foreign else live_id(store) or "",
        "generations": _rows(store),
        "adopted": list_adopted(store),
    }
    print_result(document, format_history(document, venv.spec.path), arguments)
    return 0


def _rows(store: Store) -> list[dict[str, Any]]:
    """Return each generation with a valid receipt, oldest first."""
    current_hold = effective_hold(store)
    rows = []
    previous: Receipt | None = None
    for generation in list_generations(store):
        current = read_receipt(store.generation(generation))
        if current is None:
            continue
        rows.append(
            {
                "generation": generation,
                "created": current.created,
                "declared": current.declared,
                "live": generation == live_id(store),
                "held": bool(current_hold and current_hold.generation == generation),
                "pinned": is_pinned(store, generation),
                "quarantined": is_quarantined(store, generation),
                "in_use": is_in_use(store.generation(generation)),
                "changes": list(describe_changes(previous, current)),
            }
        )
        previous = current
    return rows


def describe_changes(old: Receipt | None, new: Receipt) -> Iterator[str]:
    """Yield the differences in interpreter, packages, and files between two generations."""
    if old is None:
        packages = count(len(new.packages), "package")
        yield f"first generation: {packages}, Python {new.python.version}"
        return
    before, after = _identities(old), _identities(new)
    changes = []
    for name in sorted(before.keys() | after.keys(), key=lambda name: (name != "python", name)):
        if name not in before:
            changes.append(f"+ {name} {after[name]}")
        elif name not in after:
            changes.append(f"- {name} {before[name]}")
        elif before[name] != after[name]:
            changes.append(f"~ {name} {before[name]} → {after[name]}")
    yield from changes or ["same packages, built again"]


def _identities(record: Receipt) -> dict[str, str]:
    """Return the interpreter, the packages, and the declared files of a generation."""
    return {
        "python": str(record.python),
        **{package.name: package.identity() for package in record.packages},
        **{f"files.{path}": description for path, description, _ in record.files},
    }


def format_history(document: dict[str, Any], path: str) -> Iterator[Line]:
    """Yield the lines of text: generations, newest first, then adopted backups.

    Args:
        document: The history, in the form that `--json` prints.
        path: The published path.

    """
    if document["live"] == FOREIGN:
        yield [("bold", path), ("", "  not created by converge"), ("good", "  [live]")]
    for row in reversed(document["generations"]):
        yield from _format_row(row)
    for backup in document["adopted"]:
        yield [("bold", backup), ("", "  adopted backup")]
    if not document["generations"] and document["live"] != FOREIGN:
        yield [("", f"{document['address']} doesn't exist yet")]


def _format_row(row: dict[str, Any]) -> Iterator[Line]:
    marks = [mark.replace("_", " ") for mark in _MARKS if row[mark]]
    suffix = f"  [{', '.join(marks)}]" if marks else ""
    role = "warning" if row["held"] or row["quarantined"] else "good"
    yield [
        ("bold", row["generation"]),
        ("", f"  {row['created']}  "),
        ("dim", row["declared"]),
        (role, suffix),
    ]
    for change in row["changes"]:
        yield [(change[:1], f"    {change}")]


COMMAND = Command(
    "history",
    "Show the changes between generations",
    _add_arguments,
    _history,
    group="Inspection",
    is_read_only=True,
    description="""\
Lists the generations of one venv, newest first, and its adopted backups; or the removals of one
global.NAME.""",
    examples=("converge history site.toml web", "converge history site.toml global.system"),
)
