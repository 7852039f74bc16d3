"""The report of `converge list` as text: one table, with the venvs of each file together."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from engine.output.text import count
from engine.system.existence import exists
from states.commands.text.status import format_age
from states.commands.text.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from states.commands.text.table import Line

_HEADER = ("VENV", "STATE", "GENERATION", "SINCE", "PATH")
_ROLES = {"live": "good", "held": "warning"}
_INDENT = "  "


def format_list(rows: Sequence[dict[str, Any]]) -> Iterator[Line]:
    """Yield the lines of text for the venvs, below the name of their file.

    Args:
        rows: The venvs, sorted by file, in the form that `--json` prints.

    """
    if not rows:
        yield [("", "No venvs are recorded for this user.")]
        return
    table = Table(tuple(_INDENT + cell if cell == "VENV" else cell for cell in _HEADER))
    for row in rows:
        state = state_of(row)
        since = format_age(row["since"]) if row["since"] else ""
        cells = [_INDENT + row["address"], state, row["generation"] or "", since, row["path"]]
        table.add(cells, [], roles={1: _ROLES.get(state, "bad")})
    header, *lines = table.lines()
    yield header
    remaining = iter(lines)
    for file, venvs in groupby(rows, key=lambda row: row["file"]):
        yield [("bold", file), ("warning", "  deleted" if _is_deleted(file) else "")]
        for row, line in zip(venvs, remaining, strict=False):
            yield line
            if not row["declared"]:
                yield [("warning", f"{_INDENT * 2}no longer declared")]
    yield [("dim", f"{count(len(rows), 'venv')}. To test for drift, run `converge check`.")]


def state_of(row: dict[str, Any]) -> str:
    """Return the state of a venv in one word."""
    if row["held"]:
        return "held"
    state: str = row["state"]
    return "unmanaged" if state == "foreign" or state.startswith("symlink to") else state


def _is_deleted(file: str) -> bool:
    """Return whether a file is gone. Standard input never was one."""
    return file.startswith("/") and not exists(file)
