"""The outcome of a run as one document, the same for plan, apply and check.

Its shape is `engine.output.report_schema.Report`; `--json` prints it as it is.
"""

from __future__ import annotations

import json

from engine import FORMAT_VERSION
from engine.errors import ConvergeError, Interrupted, summarize
from engine.redaction import redact_all
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
_REST = ("unchanged", "failed", "skipped")


def build_report(
    command: str,
    results: tuple[Result, ...],
    kinds: Mapping[str, AnyKind],
    *,
    detailed: bool = False,
    notices: Sequence[str] = (),
    pruned: Sequence[Resource] = (),
) -> Report:
    """Sum up a run. With `detailed`, the exit code is 2 for changes, 4 for failures, 6 for both."""
    resources = [
        _resource(one, kinds[one.resource.kind], pruned=one.resource in pruned) for one in results
    ]
    summary = dict.fromkeys((*ACTIONS, *_REST), 0)
    for one in resources:
        done = one["outcome"] in ("changed", "would-change")
        summary[one["action"] if done else one["outcome"]] += 1
    changed = any(summary[action] for action in ACTIONS)
    return {
        "format_version": FORMAT_VERSION,
        "command": command,
        "changed": changed,
        "failed": bool(summary["failed"]),
        "comment": _comment(command, summary),
        "digest": digest(results),
        "resources": resources,
        "summary": summary,
        "exit": _exit(command, [one.error for one in results if one.error], changed, detailed),
        "error": None,
        "problems": [],
        "notices": list(notices),
    }


def build_failure(
    command: str, error: ConvergeError, code: int, problems: Sequence[ProblemReport] = ()
) -> Report:
    """Report a run that could not be done at all."""
    return {
        "format_version": FORMAT_VERSION,
        "command": command,
        "changed": False,
        "failed": True,
        "comment": error.message,
        "digest": digest(()),
        "resources": [],
        "summary": dict.fromkeys((*ACTIONS, *_REST), 0),
        "exit": {"code": code, "class": error.name, "retryable": error.retryable},
        "error": error_report(error),
        "problems": list(problems),
        "notices": [],
    }


def to_json(document: Mapping[str, Any]) -> str:
    """Return a document as JSON, in the form that all verbs share; no password is in it."""
    whole = redact_all({"format_version": FORMAT_VERSION, **document})
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def digest(results: Sequence[Result]) -> str:
    """Return the digest of what is to be done: two plans with one digest do the same.

    A step is what differs and all that was declared, since not all of that can be seen to
    differ: what a command runs, say. No credentials of URLs: nobody can guess them from it.
    """
    steps = [
        [
            to_dict(one.resource),
            one.action,
            [[c.attribute, c.before, c.after] for c in one.changes],
        ]
        for one in results
        if one.action != "none"
    ]
    text = json.dumps(redact_all(steps), sort_keys=True, separators=(",", ":"))
    return "sha256:" + sha256(text.encode())


def _resource(result: Result, kind: AnyKind, *, pruned: bool) -> ResourceReport:
    resource = result.resource
    return {
        "address": resource.address,
        "kind": resource.kind,
        "name": resource.name,
        "path": next(iter(kind.owned_paths(resource.spec)), None),
        "action": result.action,
        "outcome": result.outcome,
        "reason": _reason(result, pruned=pruned),
        "changes": [
            {"attribute": c.attribute, "before": c.before, "after": c.after, "reason": c.reason}
            for c in result.changes
        ],
        "observed": None if result.observed is None else dict(result.observed),
        "error": error_report(result.error) if result.error else None,
        "blocked_by": result.blocked_by or None,
    }


def _reason(result: Result, *, pruned: bool) -> str:
    if result.outcome == "skipped":
        return f"it needs {result.blocked_by}, which failed"
    if result.error:
        return result.error.message
    if result.action == "create":
        return "nothing is there yet"
    if result.action == "delete":
        return "it is no longer declared" if pruned else "it is declared absent"
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


def _comment(command: str, summary: Mapping[str, int]) -> str:
    done = {"create": "created", "update": "updated", "replace": "replaced", "repair": "repaired",
            "delete": "deleted"}  # fmt: skip
    parts = [
        f"{summary[action]} {done[action] if command in ('apply', 'adopt') else 'to ' + action}"
        for action in ACTIONS
        if summary[action]
    ]
    parts += [f"{summary[name]} {name}" for name in ("failed", "skipped") if summary[name]]
    if not parts:
        return f"nothing to do: {summary['unchanged']} as declared"
    return ", ".join([*parts, f"{summary['unchanged']} unchanged"])
