"""The outcome of a run as one document, with the same structure for plan, apply, and check.

`engine.output.report_schema.Report` defines the structure, and `--json` prints it.
"""

from __future__ import annotations

import json
import re

from engine import FORMAT_VERSION
from engine.errors import ConvergeError, Interrupted, summarize
from engine.redaction import redact_all, redact_urls
from engine.resource import to_dict
from engine.system.files import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from engine.kind import AnyKind
    from engine.output.report_schema import (
        ErrorReport,
        ExitReport,
        ProblemReport,
        Report,
        ResourceReport,
    )
    from engine.resource import Resource
    from engine.result import Result

ACTIONS = ("create", "update", "replace", "repair", "delete")
_OTHER_OUTCOMES = ("unchanged", "failed", "skipped")


def build_report(
    command: str,
    results: tuple[Result, ...],
    kinds: Mapping[str, AnyKind],
    *,
    detailed: bool = False,
    pruned: Sequence[Resource] = (),
) -> Report:
    """Return the report of a run.

    Args:
        command: The name of the command.
        results: The results, in the order of the run.
        kinds: The kinds by name.
        detailed: Use exit code 2 for changes, 4 for failures, and 6 for both.
        pruned: The resources that are deleted because they are no longer declared.

    Returns:
        The report, with the exit code. The caller adds the notices.

    """
    resources = [
        _resource(result, kinds[result.resource.kind], pruned=result.resource in pruned)
        for result in results
    ]
    summary = dict.fromkeys((*ACTIONS, *_OTHER_OUTCOMES), 0)
    counts = dict.fromkeys((*ACTIONS, "run", *_OTHER_OUTCOMES), 0)
    for resource in resources:
        has_changes = resource["outcome"] in ("changed", "would-change")
        key = resource["action"] if has_changes else resource["outcome"]
        summary[key] += 1
        counts["run" if has_changes and kinds[resource["kind"]].display.runs else key] += 1
    changed = any(summary[action] for action in ACTIONS)
    applied = any(result.outcome == "changed" for result in results)
    errors = [result.error for result in results if result.error]
    return {
        "format_version": FORMAT_VERSION,
        "command": command,
        "changed": changed,
        "failed": bool(summary["failed"]),
        "comment": _comment(counts, applied=applied),
        "digest": digest(results),
        "resources": resources,
        "summary": summary,
        "exit": _exit(command, errors, changed, detailed),
        "error": None,
        "problems": [],
        "notices": [],
    }


def build_failure(
    command: str, error: ConvergeError, code: int, problems: Sequence[ProblemReport] = ()
) -> Report:
    """Return the report of a run that failed as a whole.

    Args:
        command: The name of the command, as far as it is known.
        error: The error.
        code: The exit code.
        problems: The diagnostics of an invalid declaration.

    Returns:
        The report, without resources.

    """
    return {
        "format_version": FORMAT_VERSION,
        "command": command,
        "changed": False,
        "failed": True,
        "comment": error.message,
        "digest": digest(()),
        "resources": [],
        "summary": dict.fromkeys((*ACTIONS, *_OTHER_OUTCOMES), 0),
        "exit": {"code": code, "class": error.name, "retryable": error.retryable},
        "error": error_report(error),
        "problems": list(problems),
        "notices": [],
    }


def fail_document(document: Mapping[str, Any], failure: Report) -> dict[str, Any]:
    """Return the document of a command whose success isn't a report, with the error of a failure.

    Args:
        document: The keys of a success, without results.
        failure: The result of `build_failure`.

    Returns:
        The document.

    """
    error: dict[str, Any] = {"errors": {}, "error": failure["error"], "exit": failure["exit"]}
    return {**document, **error, "problems": failure["problems"]}


def to_json(document: Mapping[str, Any]) -> str:
    """Return a document as JSON, with the format version and redacted passwords.

    JSON escapes the controls of ASCII. Others could also change what a terminal shows: those of
    C1, DEL, and marks that reverse the direction of text.
    """
    complete = redact_all({"format_version": FORMAT_VERSION, **document})
    text = json.dumps(complete, ensure_ascii=False, indent=1) + "\n"
    return re.sub(r"[^\n -~]", _escape_unprintable, text)


def _escape_unprintable(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1]


def digest(results: Sequence[Result]) -> str:
    """Return a digest of the changes. Two plans with the same digest make the same changes.

    It covers the whole declaration of each changed resource, because not every key is visible
    in a change: the arguments of a command aren't. Passwords in URLs are redacted first, so the
    digest can't be used to guess them. Registered secrets aren't: a plan may know fewer of them
    than the apply that follows.
    """
    steps = [
        [
            to_dict(result.resource),
            result.action,
            [[change.attribute, change.before, change.after] for change in result.changes],
        ]
        for result in results
        if result.action != "none"
    ]
    text = json.dumps(redact_all(steps, redact_urls), sort_keys=True, separators=(",", ":"))
    return "sha256:" + sha256(text.encode())


def _resource(result: Result, kind: AnyKind, *, pruned: bool) -> ResourceReport:
    resource = result.resource
    return {
        "address": resource.address,
        "kind": resource.kind,
        "name": resource.name,
        "path": next(iter(kind.owned_paths(resource.spec)), None),
        "description": _description(result, kind),
        "action": result.action,
        "outcome": result.outcome,
        "reason": _reason(result, kind, pruned=pruned),
        "changes": [
            {
                "attribute": change.attribute,
                "before": change.before,
                "after": change.after,
                "reason": change.reason,
            }
            for change in result.changes
        ],
        "observed": None if result.observed is None else dict(result.observed),
        "error": error_report(result.error) if result.error else None,
        "blocked_by": result.blocked_by or None,
        "output": result.output,
        "duration_s": result.duration_s,
    }


def _description(result: Result, kind: AnyKind) -> str | None:
    """Return the description of a resource. A run without changes doesn't need it."""
    if kind.display.describe is None or result.outcome == "unchanged":
        return None
    return kind.display.describe(result.resource.spec)


def _reason(result: Result, kind: AnyKind, *, pruned: bool) -> str:
    if result.outcome == "skipped":
        return f"depends on {result.blocked_by}, which failed"
    if result.error:
        return result.error.message
    if result.action == "create":
        return "hasn't run yet" if kind.display.runs else "doesn't exist yet"
    if result.action == "delete":
        return "no longer declared" if pruned else "declared absent"
    reasons = dict.fromkeys(change.reason for change in result.changes if change.reason)
    return ", ".join(list(reasons)[:3])


def error_report(error: ConvergeError) -> ErrorReport:
    """Return an error as JSON output represents it."""
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "output": error.output,
    }


def _exit(command: str, errors: list[ConvergeError], changed: bool, detailed: bool) -> ExitReport:
    code, name, retryable = summarize(errors)
    if detailed and (errors or changed) and name != Interrupted.name:
        code, name = (4 if errors else 0) + (2 if changed else 0), "failed" if errors else "changes"
    elif command == "check" and errors:
        code, name = ConvergeError.code, ConvergeError.name
    elif command == "check" and changed:
        code, name = 2, "drift"
    return {"code": code, "class": name, "retryable": retryable}


def _comment(counts: Mapping[str, int], *, applied: bool) -> str:
    past = {"create": "created", "update": "updated", "replace": "replaced", "repair": "repaired",
            "delete": "deleted", "run": "run"}  # fmt: skip
    parts = [
        f"{counts[action]} {past[action] if applied else 'to ' + action}"
        for action in past
        if counts[action]
    ]
    parts += [
        f"{counts[outcome]} {outcome}" for outcome in ("failed", "skipped") if counts[outcome]
    ]
    unchanged = counts["unchanged"]
    if parts:
        return ", ".join([*parts, f"{unchanged} unchanged"])
    if unchanged == 1:
        return "no changes; 1 resource is up to date"
    return f"no changes; {unchanged} resources are up to date"
