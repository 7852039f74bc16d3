"""The scenarios as values, and the report of a caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli

Table = dict[str, Any]
Change = tuple[str, str, str]
"""Attribute without its `package.` prefix, old value, new value; "" means absent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One row of scenarios.toml, which describes each key."""

    id: str
    name: str
    prevents: list[str]
    declared: Table
    outcome: str
    sample: bool = False
    initial: Table | None = None
    drift: str | None = None
    requires: str | None = None
    changes: Mapping[str, list[str]] = field(default_factory=dict)
    installed: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A scenario prepared for one caller: the declaration to pass, and its secrets."""

    id: str
    declaration: Table
    secrets: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class CallerReport:
    """The outcome and changes that a caller reported for one case."""

    outcome: str
    changes: frozenset[Change]


def caller_report(*, failed: bool, changed: bool, changes: frozenset[Change]) -> CallerReport:
    """Return the report of a case. The changes of a failure aren't compared, so they are dropped."""
    if failed:
        return CallerReport(outcome="failed", changes=frozenset())
    return CallerReport(outcome="changed" if changed else "unchanged", changes=changes)


def change(attribute: str, before: str | None, after: str | None) -> Change:
    """Return one change in the form that all callers share."""
    return attribute.removeprefix("package."), before or "", after or ""


def load_scenarios() -> list[Scenario]:
    """Return the scenarios in the order of the file."""
    text = (Path(__file__).parent / "scenarios.toml").read_text(encoding="utf-8")
    return [Scenario(**row) for row in tomli.loads(text)["scenario"]]
