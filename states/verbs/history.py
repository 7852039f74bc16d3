"""`converge history`: what changed from generation to generation."""

from __future__ import annotations

import sys

from engine import options
from engine.report import to_json
from engine.verb import Verb
from states.venv import hold
from states.venv import receipt as receipts
from states.venv.observation import FOREIGN, published
from states.venv.retiring import in_use, is_pinned, is_quarantined
from states.venv.store import current, foreign, generations, store_of
from states.verbs.apart import tell
from states.verbs.selection import named, one_venv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from typing import Any

    from engine.verb import Compose
    from states.venv.receipt import Receipt
    from states.venv.store import Store


def _options(parser: ArgumentParser) -> None:
    one_venv(parser)
    options.output(parser)


def _history(arguments: Namespace, compose: Compose) -> int:
    one = named(arguments, compose)
    store = store_of(one.spec.path)
    rows, kept = _rows(store), foreign(store)
    live = FOREIGN if published(store)[0] == FOREIGN else current(store) or ""
    if arguments.json:
        document = {"address": one.address, "live": live, "generations": rows, "foreign": kept}
        sys.stdout.write(to_json(document))
        return 0
    if live == FOREIGN:
        tell([f"{one.spec.path}  another tool's  [live]"])
    tell(line for row in reversed(rows) for line in _lines(row))
    tell(f"{name}  what was there before it was adopted" for name in kept)
    if not rows and live != FOREIGN:
        tell([f"{one.address} was not made yet"])
    return 0


def _lines(row: dict[str, Any]) -> Iterator[str]:
    marks = [mark for mark in ("live", "held", "pinned", "quarantined", "in_use") if row[mark]]
    shown = f"  [{', '.join(marks)}]".replace("_", " ") if marks else ""
    yield f"{row['generation']}  {row['created']}  {row['declared']}{shown}"
    for change in row["changes"]:
        yield f"    {change}"


def _rows(store: Store) -> list[dict[str, Any]]:
    held = hold.standing(store)
    rows = []
    before: Receipt | None = None
    for identifier in generations(store):
        receipt = receipts.read(store.generation(identifier))
        if receipt is None:
            continue
        rows.append(
            {
                "generation": identifier,
                "created": receipt.created,
                "declared": receipt.declared,
                "live": identifier == current(store),
                "held": bool(held and held.generation == identifier),
                "pinned": is_pinned(store, identifier),
                "quarantined": is_quarantined(store, identifier),
                "in_use": in_use(store.generation(identifier)),
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


VERB = Verb("history", "what changed from generation to generation", _options, _history)
