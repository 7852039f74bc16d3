"""Tables of text with aligned columns and colored cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.output.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TypeAlias

    from engine.output.text import Paint

    Line: TypeAlias = Sequence[tuple[str, str]]
    """Parts of a line, each with the role that selects its color. See `Paint`."""


class Table:
    """Rows with aligned columns below a header."""

    def __init__(self, header: Sequence[str]) -> None:
        self.rows: list[tuple[list[str], Mapping[int, str], list[Line]]] = [
            (list(header), dict.fromkeys(range(len(header)), "bold"), [])
        ]

    def add(
        self, cells: Sequence[str], details: list[Line], roles: Mapping[int, str] | None = None
    ) -> None:
        """Add a row.

        Args:
            cells: The text of each column. The last ones can be missing.
            details: Lines to show below the row.
            roles: The roles of colored cells, by column.

        """
        self.rows.append(([printable(cell) for cell in cells], roles or {}, details))

    def lines(self) -> Iterator[Line]:
        """Yield the lines, or nothing if no row was added."""
        if len(self.rows) == 1:
            return
        columns = len(self.rows[0][0])
        cells = [[*row, *[""] * (columns - len(row))] for row, _, _ in self.rows]
        widths = [max(len(row[column]) for row in cells) for column in range(columns)]
        for row, (_, roles, details) in zip(cells, self.rows, strict=True):
            last = max((column for column in range(columns) if row[column]), default=0)
            line: list[tuple[str, str]] = []
            for column in range(last + 1):
                gap = " " * (widths[column] - len(row[column]) + 2) if column < last else ""
                line += [(roles.get(column, ""), row[column]), ("", gap)]
            yield line
            yield from details


def render(line: Line | str, paint: Paint) -> str:
    """Return a line in color, with control characters escaped."""
    if isinstance(line, str):
        return printable(line)
    return "".join(paint(role, printable(text)) if role else printable(text) for role, text in line)
