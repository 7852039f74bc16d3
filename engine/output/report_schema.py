"""The published shape of what `--json` prints; `converge schema output` is made of these.

Adding keys raises the minor of `FORMAT_VERSION`, changing one the major. Imported by
type checkers and by the schema only: the report itself is made of plain dictionaries.
"""

from __future__ import annotations

from typing import Literal

# The standard library's own will do from Python 3.12 on.
from typing_extensions import TypedDict

Outcome = Literal["unchanged", "changed", "would-change", "failed", "skipped"]
Action = Literal["none", "create", "update", "replace", "repair", "delete"]


class ChangeReport(TypedDict):
    """One attribute that differs; `null` stands for absent."""

    attribute: str
    before: str | None
    after: str | None
    reason: str


class ErrorReport(TypedDict):
    """What went wrong; `code` is the exit code of its class, `output` a tool's last lines."""

    code: int
    message: str
    hint: str | None
    output: str


class ProblemReport(TypedDict):
    """One thing that is wrong with a declaration; lines and columns from 1, 0 for unknown."""

    file: str
    line: int
    column: int
    message: str
    hint: str


class ResourceReport(TypedDict):
    """One resource: what was or would be done to it, and why.

    `observed` is what is there: as it was found by plan and check, as it was left by
    apply. `blocked_by` names the failed resource that a skipped one is the victim of.
    """

    address: str
    kind: str
    name: str
    path: str | None
    action: Action
    outcome: Outcome
    reason: str
    changes: list[ChangeReport]
    observed: dict[str, str] | None
    error: ErrorReport | None
    blocked_by: str | None


ExitReport = TypedDict("ExitReport", {"code": int, "class": str, "retryable": bool})
"""The exit status, its class, and whether trying again may help."""


class Report(TypedDict):
    """A whole run. `error` is set where the run as a whole could not be done."""

    format_version: str
    command: str
    changed: bool
    failed: bool
    comment: str
    digest: str
    resources: list[ResourceReport]
    summary: dict[str, int]
    exit: ExitReport
    error: ErrorReport | None
    problems: list[ProblemReport]
    notices: list[str]
