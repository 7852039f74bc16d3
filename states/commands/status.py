"""`converge status`: one line a venv, read-only."""

from __future__ import annotations

from engine.cli import options
from engine.cli.command import Command
from engine.frozen import fields
from engine.redaction import redact_all
from states.commands.per_venv import format_results, run_per_venv
from states.commands.selection import venvs
from states.system import timestamps
from states.venv.generations import in_use, verify_log
from states.venv.generations.gc import is_pinned
from states.venv.generations.store import list_generations, live_id
from states.venv.observe import observe
from states.venv.resolve.selection import (
    interpreter_matches,
    local_projects_changed,
    matches_settings,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from typing import Any

    from engine.cli.command import BuildRegistry
    from engine.resource import Resource
    from states.venv.integrity.receipt import Receipt
    from states.venv.spec import Venv


def _options(parser: ArgumentParser) -> None:
    options.add_files_argument(parser)
    options.add_output_options(parser)


def _status(arguments: Namespace, compose: BuildRegistry) -> int:
    where = options.build_settings(arguments)
    rows, failed = run_per_venv(venvs(arguments, compose), lambda one: _row(one, where.state))
    width = max(map(len, rows), default=0)
    lines = [line for row in rows.values() for line in _lines(row, width)]
    return format_results({"venvs": list(rows.values())}, lines, failed, arguments)


def _row(resource: Resource, state: str) -> dict[str, Any]:
    view = observe(resource.spec)
    receipt = view.receipt
    live = live_id(view.store)
    drift = [
        f"{name} {value}"
        for name, value in (view.state or {}).items()
        if name.startswith(("file.", "unfinished.", "relocated"))
    ]
    # What was rolled back to is as it should be, whatever is declared by now.
    if view.state is not None and view.state["path"] not in (resource.spec.path, view.held):
        drift.append(f"path {view.state['path']}")
    if receipt is not None and receipt.python.condition():
        drift.append(f"python {receipt.python.condition()}")
    if receipt is not None and not view.held and not _as_declared(resource.spec, receipt):
        drift.append("declaration changed since")
    former = [one for one in list_generations(view.store) if one != live]
    running = {one: in_use.using_processes(view.store.generation(one)) for one in former}
    return {
        "address": resource.address,
        "path": resource.spec.path,
        "present": view.state is not None,
        "generation": receipt.generation if receipt else None,
        "created": receipt.created if receipt else None,
        "packages": len(receipt.packages) if receipt else 0,
        "python": receipt.python.version if receipt else None,
        "verified": verify_log.last_verified(state, receipt.path) if receipt else None,
        "pinned": bool(live and is_pinned(view.store, live)),
        "held": bool(view.held),
        "drift": drift,
        "observed": None if view.state is None else dict(view.state),
        "declared": _declared(resource.spec),
        "old_generations_in_use": {one: pids for one, pids in running.items() if pids},
    }


def _declared(spec: Venv) -> dict[str, Any]:
    """Return what the declaration says other than the default, without passwords."""
    from engine.declaration.validate import key_of

    said = {key_of(name): (getattr(spec, name), field) for name, field in fields(spec).items()}
    return {
        key: redact_all(content)
        for key, (content, field) in said.items()
        if not field.computed and content != field.default
    }


def _as_declared(spec: Venv, receipt: Receipt) -> bool:
    declared = spec.python.startswith("interpreter.")
    if local_projects_changed(spec, receipt) or not matches_settings(spec, receipt):
        return False
    return declared or interpreter_matches(spec.python, receipt)


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
    drift = f"DRIFT: {_summed(row['drift'])}" if row["drift"] else "intact"
    packages = "1 package" if row["packages"] == 1 else f"{row['packages']} packages"
    return (
        f"{head}  {row['generation']}  made {_ago(row['created'])}  Python {row['python']}  "
        f"{packages}  {checked}  {drift}{marks}"
    )


def _summed(drift: list[str]) -> str:
    return drift[0] + (f" and {len(drift) - 1} more" if len(drift) > 1 else "")


def _ago(noted: str) -> str:
    """Return how long ago a moment was, for people."""
    seconds = int(timestamps.seconds_since(noted))
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if abs(seconds) >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count != 1 else ''} ago"
    return "just now"


COMMAND = Command(
    "status",
    "one line a venv: generation, age, packages, drift",
    _options,
    _status,
    group="Inspection",
)
