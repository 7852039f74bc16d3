"""`converge status`: one line a venv, read-only."""

from __future__ import annotations

from engine import options
from engine.redaction import redacted_all
from engine.value import fields
from engine.verb import Verb
from states import moment
from states.venv import usage, verified
from states.venv.choice import edited, same_request, shaped
from states.venv.observation import look
from states.venv.retiring import is_pinned
from states.venv.store import current, generations
from states.verbs.apart import apart, show
from states.verbs.selection import venvs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from typing import Any

    from engine.resource import Resource
    from engine.verb import Compose
    from states.venv.receipt import Receipt
    from states.venv.spec import Venv


def _options(parser: ArgumentParser) -> None:
    options.files(parser)
    options.output(parser)


def _status(arguments: Namespace, compose: Compose) -> int:
    where = options.settings(arguments)
    rows, failed = apart(venvs(arguments, compose), lambda one: _row(one, where.state))
    width = max(map(len, rows), default=0)
    lines = [line for row in rows.values() for line in _lines(row, width)]
    return show({"venvs": list(rows.values())}, lines, failed, arguments)


def _row(resource: Resource, state: str) -> dict[str, Any]:
    view = look(resource.spec)
    receipt = view.receipt
    live = current(view.store)
    drift = [
        f"{name} {value}"
        for name, value in (view.state or {}).items()
        if name.startswith(("file.", "leftover.", "moved"))
    ]
    # What was rolled back to is as it should be, whatever is declared by now.
    if view.state is not None and view.state["path"] not in (resource.spec.path, view.held):
        drift.append(f"path {view.state['path']}")
    if receipt is not None and receipt.python.condition():
        drift.append(f"python {receipt.python.condition()}")
    if receipt is not None and not view.held and not _as_declared(resource.spec, receipt):
        drift.append("declaration changed since")
    former = [one for one in generations(view.store) if one != live]
    running = {one: usage.processes(view.store.generation(one)) for one in former}
    return {
        "address": resource.address,
        "path": resource.spec.path,
        "present": view.state is not None,
        "generation": receipt.generation if receipt else None,
        "created": receipt.created if receipt else None,
        "packages": len(receipt.packages) if receipt else 0,
        "python": receipt.python.version if receipt else None,
        "verified": verified.when(state, receipt.path) if receipt else None,
        "pinned": bool(live and is_pinned(view.store, live)),
        "held": bool(view.held),
        "drift": drift,
        "observed": None if view.state is None else dict(view.state),
        "declared": _declared(resource.spec),
        "old_generations_in_use": {one: pids for one, pids in running.items() if pids},
    }


def _declared(spec: Venv) -> dict[str, Any]:
    """Return what the declaration says other than the default, without passwords."""
    from engine.validation import key_of

    said = {key_of(name): (getattr(spec, name), field) for name, field in fields(spec).items()}
    return {
        key: redacted_all(content)
        for key, (content, field) in said.items()
        if not field.derived and content != field.default
    }


def _as_declared(spec: Venv, receipt: Receipt) -> bool:
    declared = spec.python.startswith("interpreter.")
    if edited(spec, receipt) or not shaped(spec, receipt):
        return False
    return declared or same_request(spec.python, receipt)


def _lines(row: dict[str, Any], width: int) -> Iterator[str]:
    yield _line(row, width)
    for generation, pids in row["old_generations_in_use"].items():
        listed = ", ".join(str(pid) for pid in pids)
        yield f"{'':{width}}  still running from {generation}: pid {listed}"


def _line(row: dict[str, Any], width: int) -> str:
    head = f"{row['address']:{width}}"
    if not row["present"]:
        return f"{head}  not there yet"
    marks = "".join(f"  {mark}" for mark in ("pinned", "held") if row[mark])
    if row["generation"] is None:
        return f"{head}  {'; '.join(row['drift']) or 'not made by converge'}{marks}"
    checked = f"verified {_ago(row['verified'])}" if row["verified"] else "not verified since"
    drift = f"DRIFT: {_summed(row['drift'])}" if row["drift"] else "as sealed"
    packages = "1 package" if row["packages"] == 1 else f"{row['packages']} packages"
    return (
        f"{head}  {row['generation']}  made {_ago(row['created'])}  Python {row['python']}  "
        f"{packages}  {checked}  {drift}{marks}"
    )


def _summed(drift: list[str]) -> str:
    return drift[0] + (f" and {len(drift) - 1} more" if len(drift) > 1 else "")


def _ago(noted: str) -> str:
    """Return how long ago a moment was, for people."""
    seconds = int(moment.seconds_since(noted))
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if abs(seconds) >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count != 1 else ''} ago"
    return "just now"


VERB = Verb("status", "one line a venv: generation, age, packages, drift", _options, _status)
