"""How many points of a sweep to run: a fixed sample by default, more or all on demand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from .rows import Row
from .scenario import Scenario
from .sweep import PointSelector, all_points, sample, sweep

SWEEP_ONLY = pytest.mark.sweep
"""Marks a case that only the full sweep runs."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """The sample size. A full sweep runs all points, or `max_points` of each row if that isn't 0."""

    full: bool
    max_points: int = 0

    def selector(self, first: int = 4, last: int = 6, others: int = 10) -> PointSelector:
        """Return the selector for one scenario and fault.

        Args:
            first: Number of points at the beginning that a sample contains.
            last: Number of points at the end that a sample contains.
            others: Number of random points between them that a sample contains.
        """
        if not self.full:
            return sample(first, last, others)
        if not self.max_points:
            return all_points
        first, last = self.max_points // 8, self.max_points // 3
        return sample(first, last, self.max_points - first - last)


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Sweeps over scenarios, and counts the results."""

    workspace: Path
    disk_kind: str | None
    results: list[Row]
    sampling: Sampling

    def run(self, scenario: Scenario, fault: str, *points: int) -> Row:
        """Run a scenario with a fault. `points` are those of `Sampling.selector`."""
        select = self.sampling.selector(*points)
        return sweep(scenario, fault, self.workspace, select=select, disk_kind=self.disk_kind)

    def require_no_violation(self, row: Row) -> None:
        """Count a result. Fail if no point was run, or if a promise didn't hold."""
        self.results.append(row)
        assert row.run > 0, str(row)
        assert not row.violations, str(row)
