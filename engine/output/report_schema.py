"""The published structure of the JSON output. `converge schema output` is generated from it.

A new key raises the minor version of `FORMAT_VERSION`, and a changed key the major version. Only
type checkers and the schema import this module: the report itself is a plain dictionary.
"""

from __future__ import annotations

from typing import Literal

# Pydantic requires this one before Python 3.12.
from typing_extensions import TypedDict

Outcome = Literal["unchanged", "changed", "would-change", "failed", "skipped"]
Action = Literal["none", "create", "update", "replace", "repair", "delete"]


class ChangeReport(TypedDict):
    """One attribute that differs. `null` means that it isn't set."""

    attribute: str
    before: str | None
    after: str | None
    reason: str


class ErrorReport(TypedDict):
    """An error. `code` is the exit code of its class, `output` contains a tool's last lines."""

    code: int
    message: str
    hint: str | None
    output: str


class ProblemReport(TypedDict):
    """An error in a declaration. Lines and columns start at 1, and 0 means unknown."""

    file: str
    line: int
    column: int
    message: str
    hint: str


class ResourceReport(TypedDict):
    """One resource with its changes.

    `observed` contains the attributes before the run for `plan` and `check`, and after it for
    `apply`. `blocked_by` is the address of the failed dependency of a skipped resource.
    `description` is the command line of a command that changes, without secrets.
    `output` contains the last lines of a command that succeeded.
    `duration_s` is the time in seconds that a change took, without the wait for other resources.
    """

    address: str
    kind: str
    name: str
    path: str | None
    description: str | None
    action: Action
    outcome: Outcome
    reason: str
    changes: list[ChangeReport]
    observed: dict[str, str] | None
    error: ErrorReport | None
    blocked_by: str | None
    output: str
    duration_s: float | None


ExitReport = TypedDict("ExitReport", {"code": int, "class": str, "retryable": bool})
"""The exit code, its class, and whether a retry can succeed."""


class Report(TypedDict):
    """A whole run. `error` is set if the run failed as a whole."""

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
