"""The results of a sweep: one row for each scenario and fault."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SYSTEM_CALLS, POWER_CUTS, READS = "system calls", "power cuts", "failing reads"
_LAYERS = {SYSTEM_CALLS: "crash points", READS: "failing reads", POWER_CUTS: "power-cut images"}

NO_FAULT = -1
"""The point number of a violation that occurs without any fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A promise that doesn't hold after a fault at one point."""

    point: int
    call: str
    text: str

    def __str__(self) -> str:
        return f"at {self.call or self.point}: {self.text}"


@dataclass(slots=True, kw_only=True)
class Row:
    """The result of one scenario under one kind of fault."""

    scenario: str
    fault: str
    total: int
    """Number of points."""
    run: int = 0
    """Number of points that were run."""
    checked: int = 0
    """Number of distinct final states, if each was checked once. 0 if every point was checked."""
    violations: list[Violation] = field(default_factory=list)
    layer: str = SYSTEM_CALLS
    """The kind of points: `SYSTEM_CALLS`, `POWER_CUTS`, or `READS`."""

    @property
    def violated_points(self) -> int:
        """The number of points with at least one violation that the fault caused."""
        return len({violation.point for violation in self.violations} - {NO_FAULT})

    def __str__(self) -> str:
        counts = f"{self.run}/{self.total} run, {self.violated_points} violated"
        summary = f"{self.scenario} × {self.fault}: {counts}"
        return "\n  ".join([summary, *map(str, self.violations[:20])])


@dataclass(slots=True, kw_only=True)
class Record:
    """The results of one test run, and the layers that this machine doesn't support."""

    rows: list[Row] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Maps the name of an unsupported layer to the reason."""
    deselected: int = 0
    """Number of cases that only the full sweep runs."""

    def line(self) -> str:
        """Return the summary that a test run prints at its end."""
        counts = []
        for layer, name in _LAYERS.items():
            rows = [row for row in self.rows if row.layer == layer]
            counts.append(f"{name} {sum(r.run for r in rows)}/{sum(r.total for r in rows)}")
        if self.deselected:
            counts.append(f"{self.deselected} sweep cases deselected (run `python -m tests.crash`)")
        skipped = "; ".join(f"{layer} ({reason})" for layer, reason in sorted(self.skipped.items()))
        return f"{', '.join(counts)}, skipped layers: {skipped or 'none'}"

    @classmethod
    def of(cls, data: dict[str, Any]) -> Record:
        """Return the record that `asdict` converted to a dictionary."""
        rows = [_row(row) for row in data["rows"]]
        return cls(rows=rows, skipped=data["skipped"], deselected=data.get("deselected", 0))

    def add(self, other: Record) -> None:
        """Add the results of another process. Every process deselects the same cases."""
        self.rows += other.rows
        self.skipped.update(other.skipped)
        self.deselected = max(self.deselected, other.deselected)

    def save(self, file: Path) -> None:
        """Write the record as JSON, for `tests.crash.table`."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(file: Path) -> Record:
    """Read what `Record.save` wrote."""
    return Record.of(json.loads(file.read_text()))


def _row(data: dict[str, object]) -> Row:
    row = Row(**data)  # type: ignore[arg-type]
    row.violations = parse_violations(data["violations"])
    return row


def parse_violations(data: object) -> list[Violation]:
    """Return the violations that JSON represents as dictionaries."""
    assert isinstance(data, Sequence)
    return [Violation(**violation) for violation in data]
