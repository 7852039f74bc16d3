"""The table of scenarios as values, and what a caller told of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomllib

Table = dict[str, Any]
Change = tuple[str, str, str]
"""Attribute without its `package.`, what it was, what it becomes; "" is absent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One row; scenarios.toml says what each key means."""

    id: str
    name: str
    complaints: list[str]
    then: Table
    outcome: str
    first: Table | None = None
    meddling: str | None = None
    needs: str | None = None
    changes: Mapping[str, list[str]] = field(default_factory=dict)
    installed: Mapping[str, str] = field(default_factory=dict)
    holds: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A scenario made ready for one caller: the declaration it is given."""

    id: str
    declaration: Table
    secrets: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a caller told its user of one case, in whatever words it has."""

    outcome: str
    changes: frozenset[Change]


def told(*, failed: bool, changed: bool, changes: frozenset[Change]) -> Told:
    """Return what was told; of a failure the changes are not compared."""
    if failed:
        return Told(outcome="failed", changes=frozenset())
    return Told(outcome="changed" if changed else "unchanged", changes=changes)


def change(attribute: str, before: str | None, after: str | None) -> Change:
    """Return one change in the words that all callers share."""
    return attribute.removeprefix("package."), before or "", after or ""


def scenarios() -> list[Scenario]:
    """Return the table, in its order."""
    text = (Path(__file__).parent / "scenarios.toml").read_text(encoding="utf-8")
    return [Scenario(**row) for row in tomllib.loads(text)["scenario"]]
