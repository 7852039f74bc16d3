"""The report of `converge rollback` as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.cli.follow_up import command_line
from states.venv.observe import FOREIGN

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from states.commands.text.table import Line
    from states.venv.rollback.steps import Step


def format_steps(steps: Sequence[Step], arguments: Namespace, *, failed: int) -> Iterator[Line]:
    """Format the steps.

    Args:
        steps: The steps that were taken, or would be in a dry run.
        arguments: The parsed arguments.
        failed: The number of venvs that failed.

    Yields:
        One line for each step, a summary of several, and how to release the venvs.

    """
    for step in steps:
        yield from _format_step(step, arguments)
    changed = [step for step in steps if step.changed]
    if len(steps) + failed > 1:
        yield _summary(len(changed), len(steps) - len(changed), failed, arguments)
    if changed and not arguments.release and not arguments.dry_run:
        they = "It is held until its declaration changes"
        if len(steps) > 1:
            they = "They are held until their declarations change"
        yield [("", f"  {they}. To resume updates, run:")]
        names = ["--last-run"] if arguments.last_run else [step.venv.name for step in steps]
        command = command_line("rollback", arguments.files[0], *names, "--release")
        yield [("", f"    {command}")]


def _format_step(step: Step, arguments: Namespace) -> Iterator[Line]:
    address = step.venv.address
    if not step.changed and not arguments.release:
        yield [("", f"{address}: {step.remark}; stays at {step.target}")]
    elif arguments.release:
        released = step.remark or "no longer held"
        if arguments.dry_run and step.changed:
            released = "would no longer be held"
        yield [("", f"{address}: {released}; the next apply updates it")]
    else:
        action = "would switch" if arguments.dry_run else "switched"
        origin = f" from {step.live}" if step.live not in ("", FOREIGN) else ""
        if step.live == step.target:
            action, origin = "would be held" if arguments.dry_run else "held", ""
        yield [("", f"{address}: {action} {'at' if not origin else 'to'} {step.target}{origin}")]


def _summary(changed: int, unchanged: int, failed: int, arguments: Namespace) -> Line:
    action = "released" if arguments.release else "switched"
    if arguments.dry_run:
        action = "to release" if arguments.release else "to switch"
    counts = [f"{changed} {action}"]
    counts += [f"{unchanged} unchanged"] if unchanged else []
    counts += [f"{failed} failed"] if failed else []
    remark = "; nothing was changed" if failed and not changed else ""
    return [("bold", f"Rollback: {', '.join(counts)}{remark}.")]
