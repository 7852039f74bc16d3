"""A plan in a file, which `apply --plan` applies exactly or not at all."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from engine.errors import NoInput, StalePlan, UsageError
from engine.output.report import to_json
from engine.output.text import short_digest
from engine.redaction import redact_all
from engine.strategy.actions import Apply
from engine.system.atomic_write import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TypeAlias

    from engine.diff import Diff
    from engine.output.report_schema import ChangeReport, Report, ResourceReport
    from engine.resource import Resource
    from engine.strategy.actions import Intent

    _Steps: TypeAlias = tuple[str, Mapping[str, str]]
    """The action on one resource, and the text of each change by attribute."""

_MAX_RESOURCES = 10
"""Maximum number of resources to compare in the error for an outdated plan."""
_MAX_CHANGES = 3
"""Maximum number of changes of each resource in that error."""


def check_plan_path(path: str) -> None:
    """Check, before any work, that a plan can be saved at a path.

    A plan replaces only an earlier plan or an empty file. Any other file may be an input of the
    plan, and a device file is needed by other programs.

    Raises:
        UsageError: The path can't be used.

    """
    directory, name = os.path.split(os.path.abspath(path))
    if not path or not name or not os.path.isdir(directory):
        raise UsageError(
            f"`--out {path}`: not a file in an existing directory",
            hint="create the directory, or choose another path",
        )
    if not os.path.lexists(path):
        return
    if os.path.islink(path) or not os.path.isfile(path):
        raise UsageError(
            f"`--out {path}`: not a regular file", hint="to print the plan, use `--json`"
        )
    if os.path.getsize(path):
        try:
            read_digest(path)
        except NoInput:
            raise UsageError(
                f"`--out {path}`: the file exists and isn't a saved plan",
                hint="choose another path, or delete the file",
            ) from None


def save(path: str, report: Report) -> None:
    """Write a plan: the output of `--json`, with redacted passwords."""
    # A path that isn't valid UTF-8 is escaped as on standard output.
    data = to_json(report).encode("utf-8", "backslashreplace")
    write_atomic(os.path.abspath(path), data, durable=True)


def read_digest(path: str) -> str:
    """Return the digest in a saved plan.

    Raises:
        NoInput: The file doesn't exist or isn't a saved plan.

    """
    try:
        with open(path, encoding="utf-8") as stream:
            return str(json.load(stream)["digest"])
    except FileNotFoundError:
        hint = "create it with `converge plan --out`"
        raise NoInput(f"no such plan: `{path}`", hint=hint) from None
    except IsADirectoryError:
        raise NoInput(f"not a saved plan but a directory: `{path}`") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NoInput(f"not a saved plan: `{path}`") from None


def confirm(path: str, current: Report) -> None:
    """Check that a saved plan makes the same changes as the current plan.

    Raises:
        StalePlan: Their digests differ.
        NoInput: The file isn't a saved plan.

    """
    saved = read_digest(path)
    if saved != current["digest"]:
        raise StalePlan(
            "the saved plan is out of date "
            f"(saved {short_digest(saved)}, current {short_digest(current['digest'])})",
            hint="nothing was changed; create and review a new plan",
            output="\n".join(
                _compare(_read_changes(path), _changes(redact_all(current["resources"])))
            ),
        )


def _read_changes(path: str) -> dict[str, _Steps] | None:
    """Return the changes in a saved plan, or None if another version of converge wrote it."""
    with open(path, encoding="utf-8") as stream:
        try:
            return _changes(json.load(stream)["resources"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


def _changes(resources: Iterable[ResourceReport]) -> dict[str, _Steps]:
    """Return what a plan does to each resource that it changes."""
    return {
        str(resource["address"]): (
            str(resource["action"]),
            {change["attribute"]: _describe_change(change) for change in resource["changes"]},
        )
        for resource in resources
        if resource["action"] != "none"
    }


def _describe_change(change: ChangeReport) -> str:
    before, after = change["before"] or "none", change["after"] or "none"
    return f"{change['attribute']} {before} → {after}"


def _describe(steps: _Steps | None, other: _Steps | None) -> str:
    """Return the action of one plan, and the first changes that the other plan doesn't contain."""
    if steps is None:
        return "no change"
    action, changes = steps
    if other is None and action == "create":
        return action
    others = other[1] if other else {}
    values = [text for name, text in changes.items() if others.get(name) != text]
    more = len(values) - _MAX_CHANGES
    suffix = f", and {more} more" if more > 0 else ""
    return f"{action} ({', '.join(values[:_MAX_CHANGES])}{suffix})" if values else action


def _compare(saved: dict[str, _Steps] | None, current: dict[str, _Steps]) -> Iterator[str]:
    """Yield two lines for each resource for which two plans differ."""
    if saved is None:
        return
    differing = [name for name in {**saved, **current} if saved.get(name) != current.get(name)]
    for name in differing[:_MAX_RESOURCES]:
        before, after = saved.get(name), current.get(name)
        yield f"{name}  saved    {_describe(before, after)}"
        yield f"{' ' * len(name)}  current  {_describe(after, before)}"
    if len(differing) > _MAX_RESOURCES:
        yield f"and {len(differing) - _MAX_RESOURCES} more"
    if not differing:
        yield "the changes are the same, but another key of a changed resource differs"


class ApplySavedPlan(Apply):
    """Makes the changes of a confirmed plan, and refuses others.

    Args:
        plan: The report of the current plan, which has the digest of the saved one.
        lock_timeout: As for `Apply`.
        intent: As for `Apply`.

    """

    def __init__(self, plan: Report, lock_timeout: float, intent: Intent) -> None:
        super().__init__(lock_timeout, intent)
        self.steps = {
            resource["address"]: (
                resource["action"],
                {(change["attribute"], change["before"]) for change in resource["changes"]},
            )
            for resource in plan["resources"]
        }

    def check_allowed(self, resource: Resource, diff: Diff) -> None:
        """Allow the planned changes, or some of them: a dependency may have made the others.

        Desired values aren't compared. They follow from the declaration, which isn't read again,
        and from dependencies: a plan can't predict some of them, such as a new ID.

        Raises:
            StalePlan: Another process changed the resource after the confirmation.

        """
        action, changes = self.steps.get(resource.address, ("none", set()))
        unplanned = {(change.attribute, change.before) for change in diff.changes} - changes
        if action != diff.action or unplanned:
            names = ", ".join(sorted(attribute for attribute, _ in unplanned)[:5])
            raise StalePlan(
                f"changed after the plan was confirmed: {names or diff.action}",
                hint="this resource wasn't changed; create and review a new plan",
            )
