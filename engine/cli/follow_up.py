"""The command to run next, as the last line of a report for people."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from engine.cli import options

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from engine.output.report_schema import Report


def apply_command(arguments: Namespace, report: Report) -> str:
    """Return the line with the `apply` that makes the changes of a plan, or an empty string.

    Args:
        arguments: The arguments of `plan`, or of `apply --dry-run`.
        report: The plan.

    """
    can_repeat = "-" not in arguments.files
    if not report["changed"] or report["failed"] or not can_repeat:
        return ""
    plan = getattr(arguments, "out", None) or getattr(arguments, "plan", None)
    saved = ("--plan", plan) if plan else ()
    return f"Next: {command_line('apply', *saved, *_selection(arguments), *arguments.files)}"


def undo_command(arguments: Namespace, undo: Sequence[str]) -> str:
    """Return the line with the command that undoes an `apply`, or an empty string.

    Args:
        arguments: The arguments of `apply` or `adopt`.
        undo: The name of the command, then the arguments after the file. Empty if there is none.

    """
    if not undo or len(arguments.files) != 1 or arguments.files == ["-"]:
        return ""
    command, *rest = undo
    return f"Undo: {command_line(command, arguments.files[0], *rest)}"


def command_line(*arguments: str) -> str:
    """Return a command line that a user can paste into a shell."""
    return shlex.join(("converge", *arguments))


def _selection(arguments: Namespace) -> Iterator[str]:
    """Yield the options of a plan that change what `apply` does."""
    for pattern in arguments.only:
        yield from ("--only", pattern)
    yield from options.upgrade_arguments(arguments)
    if arguments.prune:
        yield "--prune"
    if arguments.allow_empty:
        yield "--allow-empty"
