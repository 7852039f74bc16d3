"""The report of `converge who` as text: one table, and the number of searched generations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.output.text import count
from states.commands.text.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from states.commands.text.table import Line

_HEADER = ("PACKAGE", "VERSION", "VENV", "GENERATION", "STATE", "PATH")


def format_matches(document: dict[str, Any]) -> Iterator[Line]:
    """Yield the lines of text for the result of a search, in the form that `--json` prints."""
    table = Table(_HEADER)
    for match in document["matches"]:
        states = ", ".join(match["states"]) or "previous"
        cells = (match["package"], match["version"], match["address"], match["generation"])
        table.add((*cells, states, match["path"]), [], roles={4: _role(match["states"])})
    yield from table.lines()
    matches, searched = document["matches"], document["searched"]
    live = sum("live" in match["states"] for match in matches)
    where = f"{count(searched['generations'], 'generation')} of {count(searched['venvs'], 'venv')}"
    if matches:
        previous = len(matches) - live
        yield [("dim", f"Found {live} live and {previous} previous. Searched {where}.")]
    else:
        yield [("", f"Not found. Searched {where}.")]


def _role(states: list[str]) -> str:
    return "bad" if "live" in states else "warning"
