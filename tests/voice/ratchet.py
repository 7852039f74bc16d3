"""Counts of known offenses that may fall and never rise."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import tomli
import tomli_w

FILE = Path(__file__).with_name("ratchet.toml")


def load(file: Path = FILE) -> Counter[tuple[str, str]]:
    """Return the allowed counts by rule and area; without the file, nothing is allowed."""
    if not file.exists():
        return Counter()
    document = tomli.loads(file.read_text(encoding="utf-8"))
    return Counter(
        {(rule, area): count for rule, row in document.items() for area, count in row.items()}
    )


def lower(counts: Counter[tuple[str, str]], file: Path = FILE) -> None:
    """Write the smaller of the allowed and the current counts."""
    limits = load(file) if file.exists() else counts
    document: dict[str, dict[str, int]] = defaultdict(dict)
    for (rule, area), count in sorted(counts.items()):
        if limit := min(count, limits[rule, area]):
            document[rule][area] = limit
    file.write_text(tomli_w.dumps(dict(document)), encoding="utf-8")


def exceeded(
    counts: Counter[tuple[str, str]], limits: Counter[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return the rules and areas with more offenses than allowed."""
    return sorted(key for key, count in counts.items() if count > limits[key])
