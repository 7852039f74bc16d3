"""The crash table of the reference has the text of its generator."""

from __future__ import annotations

from pathlib import Path

from .rows import POWER_CUTS, Record, Row, Violation
from .table import HEAD, table

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "crash-table.md"


def test_crash_table_page_has_the_text_of_the_generator() -> None:
    assert PAGE.read_text(encoding="utf-8").startswith(HEAD)


def test_table_lists_rows_by_section_and_unsupported_layers() -> None:
    violation = Violation(point=1, call="#1 rename", text="nothing is published")
    record = Record(
        rows=[
            Row(scenario="update", fault="kill", total=9, run=8, checked=7, violations=[violation]),
            Row(scenario="update", fault="power cut, xfs", total=6, run=5, layer=POWER_CUTS),
        ],
        skipped={"ext4": "mkfs.ext4 isn't installed"},
    )
    page = table(record)
    kills, power_cuts = page.index("## Kills, errors, and signals"), page.index("## Power cuts")
    assert kills < page.index("| update | kill | 9 | 8 | 7 | 1 |") < power_cuts
    assert power_cuts < page.index("| update | power cut, xfs | 6 | 5 | 5 | 0 |")
    assert "- ext4: mkfs.ext4 isn't installed" in page
