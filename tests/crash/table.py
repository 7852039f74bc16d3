"""Generate the crash table of the reference from the record of a full sweep.

Usage: `python -m tests.crash.table RECORD > docs/reference/crash-table.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from .rows import POWER_CUTS, READS, SYSTEM_CALLS, Record, Row, load

HEAD = """# Crash table

`python -m tests.crash` generates this page. A *point* is one system call that changes or reads
files, made by the command or by any process that it started. The test injects the fault at that
call and then checks four things:

* The published path works immediately after the fault.
* The next plain run succeeds.
* The run after that changes nothing.
* No unfinished files remain.

A *power-cut image* is a copy of the disk at a system call, without the data that wasn't synced yet.

*Total* is the number of points or images, and *run* is the number of those that were run. If it's
smaller than the total, the row is a sample.

After an error or a signal, converge cleans up. Many points therefore leave the same state, except
for random names and timestamps. *Checked* is the number of distinct states, and each was checked
once.

*toy correct* is a small publisher without bugs, a control for the test harness. The other toy
publishers have one bug each. The tests prove that the harness detects these bugs, so the table
omits them.

The faults:

* `kill` ends every process of the run before the call. `torn` does so after half of a write.
* An errno such as `ENOSPC` fails one call. With a `+`, all later calls also fail.
* `lost sync` fails a sync with `EIO`, so data written before it might be lost.
* A signal interrupts the command, but not its children.
* `read` and an errno fail one call that reads: `stat`, `open`, `read`, `readlink`, and so on.

After a failing read, the test also checks the result. The run reports an error, or the same as
without the fault. It deletes no generation that a run without the fault keeps.

*In a container* means that the initial state is part of an image, so its directories can't be
renamed. *Read-only commands* means that `status` or `check` runs on corrupt records and must exit
with 0 or 2.
"""


def table(record: Record) -> str:
    """Return the whole page as Markdown."""
    titles = {
        SYSTEM_CALLS: "Kills, errors, and signals",
        READS: "Failing reads",
        POWER_CUTS: "Power cuts",
    }
    parts = [HEAD]
    for layer, title in titles.items():
        rows = [row for row in record.rows if row.layer == layer]
        if rows:
            parts += [f"## {title}\n", _lines(rows)]
    skipped = [f"- {layer}: {reason}" for layer, reason in sorted(record.skipped.items())]
    parts += ["## Layers that this machine doesn't support\n", "\n".join(skipped or ["None."])]
    return "\n".join(parts) + "\n"


def _lines(rows: Iterable[Row]) -> str:
    lines = [
        "| scenario | fault | total | run | checked | violated |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        counts = (row.total, row.run, row.checked or row.run, row.violated_points)
        lines.append(f"| {row.scenario} | {row.fault} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table(load(Path(sys.argv[1]))))
