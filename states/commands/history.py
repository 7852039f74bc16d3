"""`converge history`: what changed from generation to generation."""

from __future__ import annotations

import sys

from engine.cli import options
from engine.cli.command import Command
from engine.output.report import to_json
from states.commands.per_venv import print_result
from states.commands.selection import named, one_venv
from states.venv.generations import hold
from states.venv.generations.gc import is_pinned, is_quarantined
from states.venv.generations.in_use import is_in_use
from states.venv.generations.store import list_adopted, list_generations, live_id
from states.venv.integrity import receipt as receipts
from states.venv.layout import store_of
from states.venv.observe import FOREIGN, published_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from typing import Any

    from engine.cli.command import BuildRegistry
    from states.venv.integrity.receipt import Receipt
    from states.venv.layout import Store


def _options(parser: ArgumentParser) -> None:
    one_venv(parser)
    options.add_output_options(parser)


def _history(arguments: Namespace, compose: BuildRegistry) -> int:
    one = named(arguments, compose)
    store = store_of(one.spec.path)
    rows, kept = _rows(store), list_adopted(store)
    live = FOREIGN if published_state(store)[0] == FOREIGN else live_id(store) or ""
    if arguments.json:
        document = {"address": one.address, "live": live, "generations": rows, "adopted": kept}
        sys.stdout.write(to_json(document))
        return 0
    if live == FOREIGN:
        print_result([f"{one.spec.path}  another tool's  [live]"])
    print_result(line for row in reversed(rows) for line in _lines(row))
    print_result(f"{name}  what was there before it was adopted" for name in kept)
    if not rows and live != FOREIGN:
        print_result([f"{one.address} was not made yet"])
    return 0


def _lines(row: dict[str, Any]) -> Iterator[str]:
    marks = [mark for mark in ("live", "held", "pinned", "quarantined", "in_use") if row[mark]]
    shown = f"  [{', '.join(marks)}]".replace("_", " ") if marks else ""
    yield f"{row['generation']}  {row['created']}  {row['declared']}{shown}"
    for change in row["changes"]:
        yield f"    {change}"


def _rows(store: Store) -> list[dict[str, Any]]:
    held = hold.effective(store)
    rows = []
    before: Receipt | None = None
    for identifier in list_generations(store):
        receipt = receipts.read(store.generation(identifier))
        if receipt is None:
            continue
        rows.append(
            {
                "generation": identifier,
                "created": receipt.created,
                "declared": receipt.declared,
                "live": identifier == live_id(store),
                "held": bool(held and held.generation == identifier),
                "pinned": is_pinned(store, identifier),
                "quarantined": is_quarantined(store, identifier),
                "in_use": is_in_use(store.generation(identifier)),
                "changes": _changes(before, receipt),
            }
        )
        before = receipt
    return rows


def _changes(before: Receipt | None, after: Receipt) -> list[str]:
    if before is None:
        return [f"first one here: {len(after.packages)} packages, Python {after.python.version}"]
    have = {one.name: one.identity() for one in before.packages}
    want = {one.name: one.identity() for one in after.packages}
    lines = []
    if str(before.python) != str(after.python):
        lines.append(f"~ python {before.python} → {after.python}")
    for name in sorted(have.keys() | want.keys()):
        if name not in have:
            lines.append(f"+ {name} {want[name]}")
        elif name not in want:
            lines.append(f"- {name} {have[name]}")
        elif have[name] != want[name]:
            lines.append(f"~ {name} {have[name]} → {want[name]}")
    return lines or ["the same packages, made anew"]


COMMAND = Command(
    "history", "what changed from generation to generation", _options, _history, group="Inspection"
)
