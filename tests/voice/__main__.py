"""Print offenses against the voice rules.

Usage:
    python -m tests.voice          a table of counts by rule and area
    python -m tests.voice PATH...  every offense in these files or directories
    python -m tests.voice --all    every offense
"""

from __future__ import annotations

import sys
from collections import Counter

from tests.voice.check import every_hit, not_allowed, totals


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    options = [argument for argument in arguments if argument.startswith("--")]
    paths = [argument for argument in arguments if not argument.startswith("--")]
    hits = not_allowed(every_hit(paths))
    if paths or "--all" in options:
        for hit in sorted(hits, key=lambda hit: (hit.path, hit.line)):
            print(hit)
        print(f"{len(hits)} hits", file=sys.stderr)
    else:
        print(table(totals(hits)))
    return 1 if hits and paths else 0


def table(counts: Counter[tuple[str, str]]) -> str:
    """Return the counts with a row for each rule and a column for each area."""
    areas = sorted({area for _, area in counts})
    rows = [["rule", *areas, "total"]]
    for rule in sorted({rule for rule, _ in counts}):
        row = [counts[rule, area] for area in areas]
        rows.append([rule, *map(str, row), str(sum(row))])
    sums = [sum(counts[key] for key in counts if key[1] == area) for area in areas]
    rows.append(["total", *map(str, sums), str(sum(sums))])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
