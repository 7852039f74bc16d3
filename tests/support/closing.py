"""The closing lines of a test run: counts of verified and deselected tests.

With pytest-xdist, each worker sends its counts to the controller, which prints them once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import pytest

from tests.crash.rows import Record


@dataclass(slots=True, kw_only=True)
class Closing:
    """Counts that the run collects for its closing lines."""

    record: Record = field(default_factory=Record)
    deselected: set[str] = field(default_factory=set)
    """Node IDs of the wrapper tests that this run deselected."""
    missing: set[str] = field(default_factory=set)
    """Reasons for skipped wrapper tests."""

    def to_dict(self) -> dict[str, object]:
        """Return the counts as plain values that a worker can send."""
        return {
            "record": asdict(self.record),
            "deselected": sorted(self.deselected),
            "missing": sorted(self.missing),
        }

    def add(self, counts: Mapping[str, object]) -> None:
        """Add the counts of a worker."""
        record, deselected, missing = counts["record"], counts["deselected"], counts["missing"]
        assert isinstance(record, dict)
        assert isinstance(deselected, list)
        assert isinstance(missing, list)
        self.record.add(Record.of(record))
        self.deselected.update(deselected)
        self.missing.update(missing)

    def write(self, reporter: pytest.TerminalReporter) -> None:
        """Print the closing lines, with a banner for each skipped part."""
        if self.record.rows or self.record.skipped:
            reporter.write_line(self.record.line())
        if self.deselected:
            count = f"{len(self.deselected)} wrapper tests deselected"
            hint = "to run all of them: `pytest -m wrappers tests/wrappers`"
            reporter.section(f"{count}; {hint}", sep="!", yellow=True)
        for reason in sorted(self.missing):
            reporter.section("WRAPPERS NOT VERIFIED", sep="!", red=True)
            reporter.line(reason)


CLOSING = pytest.StashKey[Closing]()
