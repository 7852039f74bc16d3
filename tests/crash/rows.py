"""What a sweep found: a row of the table for each scene and fault."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One promise broken at one point."""

    point: int
    call: str
    text: str

    def __str__(self) -> str:
        return f"at {self.call or self.point}: {self.text}"


@dataclass(slots=True, kw_only=True)
class Row:
    """A scene under one kind of fault: how many points there are, were run, what was violated."""

    scene: str
    fault: str
    total: int
    run: int = 0
    judged: int = 0
    """How many different states they left, where each was judged once; 0 for one by one."""
    violations: list[Violation] = field(default_factory=list)
    layer: str = "points"
    """``points`` of a sweep over system calls, or power-cut ``images``."""

    @property
    def broken(self) -> int:
        """How many points have at least one violation that is due to the fault."""
        return len({violation.point for violation in self.violations} - {-1})

    def __str__(self) -> str:
        head = f"{self.scene} × {self.fault}: {self.run}/{self.total} run, {self.broken} violated"
        return "\n  ".join([head, *map(str, self.violations[:20])])


@dataclass(slots=True, kw_only=True)
class Record:
    """All rows of one test run, and the layers that this machine refused."""

    rows: list[Row] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Layer to reason."""

    def line(self) -> str:
        """The closing line of a test run."""
        counts = []
        for layer in ("points", "images"):
            rows = [row for row in self.rows if row.layer == layer]
            name = "crash points" if layer == "points" else "power images"
            counts.append(f"{name} {sum(r.run for r in rows)}/{sum(r.total for r in rows)}")
        skipped = "; ".join(f"{layer} ({why})" for layer, why in sorted(self.skipped.items()))
        return f"{', '.join(counts)}, skipped layers: {skipped or 'none'}"

    @classmethod
    def of(cls, told: dict[str, Any]) -> Record:
        """From what ``asdict`` gives of one."""
        return cls(rows=[_row(row) for row in told["rows"]], skipped=told["skipped"])

    def add(self, other: Record) -> None:
        """Count what another one holds too."""
        self.rows += other.rows
        self.skipped.update(other.skipped)

    def save(self, file: Path) -> None:
        """As JSON, for the table."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(file: Path) -> Record:
    """What ``Record.save`` wrote."""
    return Record.of(json.loads(file.read_text()))


def _row(told: dict[str, object]) -> Row:
    row = Row(**told)  # type: ignore[arg-type]
    row.violations = violations(told["violations"])
    return row


def violations(told: object) -> list[Violation]:
    """From the dictionaries that JSON gives."""
    assert isinstance(told, Sequence)
    return [Violation(**entry) for entry in told]
