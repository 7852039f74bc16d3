"""A plan in a file, which `apply --plan` applies exactly or not at all."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from engine.converge import Apply
from engine.errors import NoInput, StalePlan, UsageError
from engine.output.report import to_json
from engine.system.atomic_write import write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.diff import Diff
    from engine.output.report_schema import Report
    from engine.resource import Resource


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
            f"the saved plan is out of date (saved {saved}, current {current['digest']})",
            hint="nothing was changed; create and review a new plan",
        )


class ApplySavedPlan(Apply):
    """Makes the changes of a confirmed plan, and refuses others.

    Args:
        plan: The report of the current plan, which has the digest of the saved one.
        lock_timeout: As for `Apply`.
        record_intent: As for `Apply`.

    """

    def __init__(
        self, plan: Report, lock_timeout: float, record_intent: Callable[[], None]
    ) -> None:
        super().__init__(lock_timeout, record_intent)
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
