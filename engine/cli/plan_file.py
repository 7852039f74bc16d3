"""A plan in a file: approved by one person, done by another, or refused."""

from __future__ import annotations

import json
import os

from engine.converge import Apply
from engine.errors import NoInput, StalePlan, UsageError
from engine.output.report import to_json
from engine.system.files import write_atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.diff import Diff
    from engine.output.report_schema import Report
    from engine.resource import Resource


def check_plan_path(path: str) -> None:
    """Refuse, before any work, to save a plan where it has no place.

    Only a plain file is replaced: a device in its place would be gone for everybody. And only
    a plan, or an empty file: what lies there may be what the plan is made from.
    """
    folder, name = os.path.split(os.path.abspath(path))
    if not path or not name or not os.path.isdir(folder):
        raise UsageError(f"`--out {path}` names no file in a folder that is there")
    if not os.path.lexists(path):
        return
    if os.path.islink(path) or not os.path.isfile(path):
        raise UsageError(
            f"`--out {path}` would replace what is no plain file",
            hint="`--json` prints what `--out` saves",
        )
    if os.path.getsize(path):
        try:
            read_digest(path)
        except NoInput:
            raise UsageError(
                f"`--out {path}` would replace what is no saved plan",
                hint="name another file, or remove this one",
            ) from None


def save(path: str, document: Report) -> None:
    """Write a plan out; it holds what `--json` prints, and no secret."""
    # A path that is no text is written as standard output has it.
    write_atomic(
        os.path.abspath(path), to_json(document).encode("utf-8", "backslashreplace"), durable=True
    )


def read_digest(path: str) -> str:
    """Return what a saved plan says is to be done; raises `InputMissing` if it is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return str(json.load(stream)["digest"])
    except FileNotFoundError:
        raise NoInput(f"no such plan: `{path}`", hint="`converge plan --out` makes one") from None
    except IsADirectoryError:
        raise NoInput(f"a folder, and no saved plan: `{path}`") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NoInput(f"not a saved plan: `{path}`") from None


def confirm(path: str, now: Report) -> None:
    """Raise `StalePlan` unless the saved plan says just what would be done now."""
    digest = read_digest(path)
    if digest != now["digest"]:
        raise StalePlan(
            f"the saved plan {digest} is no longer true: now it would be {now['digest']}",
            hint="nothing was done; make a new plan and look at it",
        )


class ApplySavedPlan(Apply):
    """The real run of a plan that was confirmed: what differs otherwise by then is refused."""

    def __init__(
        self, plan: Report, lock_timeout: float, record_intent: Callable[[], None]
    ) -> None:
        super().__init__(lock_timeout, record_intent)
        self.steps = {
            one["address"]: (one["action"], {(c["attribute"], c["before"]) for c in one["changes"]})
            for one in plan["resources"]
        }

    def check_allowed(self, resource: Resource, diff: Diff) -> None:
        """Admit what was planned, or a part of it: what comes before may have done the rest.

        What an attribute becomes follows from the declaration, which is not read again, and
        from what comes before: the id of a generation can be planned by nobody.
        """
        action, changes = self.steps.get(resource.address, ("none", set()))
        other = {(one.attribute, one.before) for one in diff.changes} - changes
        if action != diff.action or other:
            names = ", ".join(sorted(attribute for attribute, _ in other)[:5])
            raise StalePlan(
                f"something else changed it after the plan was confirmed: {names or diff.action}",
                hint="nothing was done to it; make a new plan and look at it",
            )
