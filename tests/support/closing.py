"""What a run of the tests says at its end: how much was proved, and what was left out.

A run may have several processes; what each of them saw is told once, by the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import pytest

from tests.crash.rows import Record


@dataclass(slots=True, kw_only=True)
class Closing:
    """Filled while tests run."""

    record: Record = field(default_factory=Record)
    left_out: set[str] = field(default_factory=set)
    """Tests of the wrappers that nobody asked for."""
    missing: set[str] = field(default_factory=set)
    """Why some of them could not be run."""

    def sent(self) -> dict[str, object]:
        """As values that can be sent to another process."""
        return {
            "record": asdict(self.record),
            "left_out": sorted(self.left_out),
            "missing": sorted(self.missing),
        }

    def add(self, sent: Mapping[str, object]) -> None:
        """Add what another process sent."""
        told, left_out, missing = sent["record"], sent["left_out"], sent["missing"]
        assert isinstance(told, dict)
        assert isinstance(left_out, list)
        assert isinstance(missing, list)
        self.record.add(Record.of(told))
        self.left_out.update(left_out)
        self.missing.update(missing)

    def tell(self, reporter: pytest.TerminalReporter) -> None:
        """Say it, loudly where something was not proved."""
        if self.record.rows or self.record.skipped:
            reporter.write_line(self.record.line())
        if self.left_out:
            words = f"{len(self.left_out)} tests of the wrappers were left out; "
            reporter.section(f"{words}`pytest -m wrappers` runs all", sep="!", yellow=True)
        for why in sorted(self.missing):
            reporter.section("WRAPPERS NOT PROVED HERE", sep="!", red=True)
            reporter.line(why)


CLOSING = pytest.StashKey[Closing]()
