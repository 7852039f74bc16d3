"""The outcome of a run as one JSON document, the same for plan, apply and check.

These dataclasses are the published shape: `converge schema output` prints their JSON
Schema. Adding keys raises the minor of `FORMAT_VERSION`, changing one the major.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from engine import FORMAT_VERSION
from engine.diff import Action
from engine.files import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.converge import Result
    from engine.errors import ConvergeError
    from engine.kind import Kind

Outcome = Literal["unchanged", "changed", "would-change", "failed", "skipped"]
_ACTIONS: tuple[Action, ...] = ("create", "update", "replace", "repair", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReport:
    """One attribute that differs; `null` stands for absent."""

    attribute: str
    before: str | None
    after: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReport:
    """What went wrong; `code` is the exit code of its class."""

    code: int
    message: str
    hint: str | None
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceReport:
    """One resource: what was or would be done to it, and why."""

    address: str
    kind: str
    name: str
    path: str | None
    action: Action
    outcome: Outcome
    reason: str
    changes: tuple[ChangeReport, ...]
    error: ErrorReport | None
    because: str | None = None
    """The failed resource that a skipped one is the victim of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitReport:
    """The exit status, its class, and whether trying again may help."""

    code: int
    klass: str
    retryable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole run."""

    format_version: str
    command: str
    changed: bool
    failed: bool
    comment: str
    digest: str
    resources: tuple[ResourceReport, ...]
    summary: dict[str, int]
    exit: ExitReport
    error: ErrorReport | None = None
    """Set where the run as a whole could not be done."""
    problems: tuple[dict[str, str | int], ...] = ()
    """What is wrong with the declaration: file, line, column, message, hint."""
    notes: tuple[str, ...] = ()
    """What somebody should know though nothing was done about it."""


def report(
    command: str,
    results: tuple[Result, ...],
    kinds: Mapping[str, Kind],
    *,
    detailed: bool = False,
    notes: tuple[str, ...] = (),
) -> Report:
    """Sum up a run. With `detailed`, the exit code is 2 for changes, 4 for failures, 6 for both."""
    resources = tuple(_resource(one, kinds[one.resource.kind]) for one in results)
    counts = Counter(one.action for one in resources if one.outcome != "skipped")
    outcomes = Counter(one.outcome for one in resources)
    changed = bool(outcomes["changed"] or outcomes["would-change"])
    failed = bool(outcomes["failed"])
    summary = {action: counts[action] for action in _ACTIONS}
    summary |= {name: outcomes[name] for name in ("unchanged", "failed", "skipped")}
    return Report(
        format_version=FORMAT_VERSION,
        command=command,
        changed=changed,
        failed=failed,
        comment=_comment(command, summary),
        digest=digest(resources),
        resources=resources,
        summary=summary,
        exit=_exit(command, [r.error for r in results if r.error], changed, detailed),
        notes=notes,
    )


def failure(command: str, error: ConvergeError) -> Report:
    """Report a run that could not be done at all."""
    return Report(
        format_version=FORMAT_VERSION,
        command=command,
        changed=False,
        failed=True,
        comment=error.message,
        digest=digest(()),
        resources=(),
        summary=dict.fromkeys((*_ACTIONS, "unchanged", "failed", "skipped"), 0),
        exit=ExitReport(code=error.code, klass=error.name, retryable=error.retryable),
        error=_error(error),
    )


def to_json(document: Report) -> str:
    """Return the document as JSON, in the spelling of its schema."""
    whole = asdict(document)
    whole["exit"]["class"] = whole["exit"].pop("klass")
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def digest(resources: tuple[ResourceReport, ...]) -> str:
    """Return the digest of what is to be done: two plans with one digest do the same."""
    steps = [
        [one.address, one.action, [[c.attribute, c.before, c.after] for c in one.changes]]
        for one in resources
        if one.action != "none"
    ]
    return "sha256:" + sha256(json.dumps(steps, separators=(",", ":")).encode())


def _resource(result: Result, kind: Kind) -> ResourceReport:
    resource = result.resource
    return ResourceReport(
        address=resource.address,
        kind=resource.kind,
        name=resource.name,
        path=next(iter(kind.claims(resource.spec)), None),
        action=result.action,
        outcome=result.outcome,
        reason=_reason(result),
        changes=tuple(
            ChangeReport(attribute=c.attribute, before=c.before, after=c.after, reason=c.reason)
            for c in result.changes
        ),
        error=_error(result.error) if result.error else None,
        because=result.because or None,
    )


def _reason(result: Result) -> str:
    if result.outcome == "skipped":
        return f"it needs {result.because}, which failed"
    if result.error:
        return result.error.message
    if result.action == "create":
        return "nothing is there yet"
    if result.action == "delete":
        return "it is declared absent"
    reasons = dict.fromkeys(change.reason for change in result.changes if change.reason)
    return ", ".join(list(reasons)[:3])


def _error(error: ConvergeError) -> ErrorReport:
    return ErrorReport(code=error.code, message=error.message, hint=error.hint, output=error.output)


def _exit(command: str, errors: list[ConvergeError], changed: bool, detailed: bool) -> ExitReport:
    if detailed and (errors or changed):
        code = (4 if errors else 0) + (2 if changed else 0)
        klass = "failed" if errors else "changes"
        return ExitReport(code=code, klass=klass, retryable=_retryable(errors))
    if not errors:
        drift = command == "check" and changed
        return ExitReport(code=2 if drift else 0, klass="drift" if drift else "ok", retryable=False)
    # One class of failure is told by its own code; a mixture is just a failure.
    same = len({error.code for error in errors}) == 1 and command != "check"
    code = errors[0].code if same else 1
    klass = errors[0].name if same else "failed"
    return ExitReport(code=code, klass=klass, retryable=_retryable(errors))


def _retryable(errors: list[ConvergeError]) -> bool:
    return bool(errors) and all(error.retryable for error in errors)


def _comment(command: str, summary: dict[str, int]) -> str:
    done = command == "apply"
    words = {
        "create": "created" if done else "to create",
        "update": "updated" if done else "to update",
        "replace": "replaced" if done else "to replace",
        "repair": "repaired" if done else "to repair",
        "delete": "deleted" if done else "to delete",
    }
    parts = [f"{summary[action]} {words[action]}" for action in _ACTIONS if summary[action]]
    parts += [f"{summary[name]} {name}" for name in ("failed", "skipped") if summary[name]]
    if not parts:
        return f"nothing to do: {summary['unchanged']} as declared"
    return ", ".join([*parts, f"{summary['unchanged']} unchanged"])
