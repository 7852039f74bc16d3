"""The report of `converge status` as text: one table for venvs, and one for other resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.output.text import count
from states.commands.text.table import Table
from states.system import timestamps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from states.commands.text.table import Line

_HEADER = ("VENV", "STATE", "GENERATION", "BUILT", "PYTHON", "PACKAGES", "VERIFIED")
_ROLES = {"ok": "good", "drift": "bad", "held": "warning", "due": "warning"}
_INDENT = "    "


def format_venvs(rows: Sequence[dict[str, Any]], *, verbose: bool) -> Iterator[Line]:
    """Format the status of venvs.

    Args:
        rows: The status of each, in the form that `--json` prints.
        verbose: Whether to list the path and every difference.

    Yields:
        The lines of the table, with details below the row that they belong to.

    """
    table = Table(_HEADER)
    for row in rows:
        state = state_of(row)
        cells = [row["address"], state]
        if row["generation"] is not None:
            verified = format_age(row["verified"]) if row["verified"] else "never"
            cells += [row["generation"], format_age(row["created"]), row["python"]]
            cells += [str(row["packages"]), verified]
        table.add(cells, [*_details(row, verbose=verbose)], roles={1: _ROLES.get(state, "")})
    yield from table.lines()


def format_others(rows: Sequence[dict[str, Any]]) -> Iterator[Line]:
    """Format the status of links, commands, and interpreters, after an empty line."""
    if not rows:
        return
    yield [("", "")]
    table = Table(("RESOURCE", "STATE", "PATH"))
    for row in rows:
        cells = [row["address"], row["state"], row["path"] or ""]
        table.add(cells, [], roles={1: _ROLES.get(row["state"], "bad")})
    yield from table.lines()


def state_of(row: dict[str, Any]) -> str:
    """Return the state of a venv in one word."""
    if not row["present"]:
        return "missing"
    if row["held"]:
        return "held"
    if row["drift"]:
        return "drift"
    return "ok" if row["generation"] is not None else "unmanaged"


def _details(row: dict[str, Any], *, verbose: bool) -> Iterator[Line]:
    """Yield the lines below the row of a venv."""
    if row["pinned"]:
        yield [("dim", f"{_INDENT}pinned")]
    if row["held"]:
        yield [("warning", f"{_INDENT}held after a rollback")]
    if row["present"] and row["generation"] is None and not row["drift"]:
        yield [("", f"{_INDENT}not created by converge")]
    for generation, pids in row["old_generations_in_use"].items():
        noun = "process" if len(pids) == 1 else "processes"
        numbers = ", ".join(map(str, pids))
        yield [("warning", f"{_INDENT}{noun} {numbers} still on {generation}")]
    if verbose:
        yield [("dim", f"{_INDENT}{row['path']}")]
        yield from ([("bad", f"{_INDENT}~ {_readable(drift)}")] for drift in row["drift"])
    elif row["drift"]:
        yield [("bad", f"{_INDENT}~ {summarize_drift(row['drift'])}")]


def summarize_drift(drift: Sequence[str]) -> str:
    """Return the first difference and the number of the others."""
    others = f", and {len(drift) - 1} more" if len(drift) > 1 else ""
    return f"{_readable(drift[0])}{others}"


def _readable(drift: str) -> str:
    """Return a difference without the prefix of its attribute."""
    for prefix in ("file.", "unfinished."):
        if drift.startswith(prefix):
            return drift.removeprefix(prefix)
    return drift


def format_age(timestamp: str) -> str:
    """Return the time since a timestamp in its largest unit, such as `2 days ago`."""
    seconds = int(timestamps.seconds_since(timestamp))
    if seconds <= -60:
        return "in the future"  # The clock was or is wrong.
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return f"{count(seconds // size, unit)} ago"
    return "just now"
