"""One run of the loop over a declaration, from the files to the report."""

from __future__ import annotations

import sys
from _thread import allocate_lock  # Importing `threading` costs a no-op run a millisecond.

from engine import inventory, progress
from engine.cli import options
from engine.cli.pruning import plan_pruning
from engine.converge import converge
from engine.declaration.load import load_declaration, read_sources
from engine.errors import ConvergeError, PermissionDenied, UsageError, from_os_error
from engine.frozen import frozen
from engine.inventory import Inventory
from engine.output.report import build_report, to_json
from engine.output.terminal import choose_reporter
from engine.output.text import printable
from engine.strategy.actions import Apply, Intent
from engine.system import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable

    from engine.cli.command import BuildRegistry
    from engine.declaration.source_file import SourceFile
    from engine.output.report_schema import Report
    from engine.registry import KindRegistry
    from engine.resource import Resource
    from engine.settings import Settings
    from engine.strategy.actions import Strategy


_recording = allocate_lock()
"""Held by the first of the parallel resources that change, while it records the intent."""


@frozen
class Session:
    """The input of one command. It is read once, even if the loop runs twice."""

    arguments: Namespace
    settings: Settings
    registry: KindRegistry
    declared: tuple[Resource, ...]
    inventory: Inventory


def open_session(arguments: Namespace, build_registry: BuildRegistry) -> Session:
    """Set up progress, load the declaration, and install the signal handlers.

    Args:
        arguments: The parsed arguments of `plan`, `apply`, `check`, or `adopt`.
        build_registry: The composition root.

    Returns:
        The session. Nothing has been observed or written, except for the cache.

    Raises:
        UsageError: The arguments contradict each other.
        DeclarationError: The declaration is invalid.
        ConvergeError, OSError: A file can't be read.

    """
    setup_progress(arguments)
    settings = options.build_settings(arguments)
    registry = build_registry(settings)
    # If the last file of a directory was deleted, its resources must still be found.
    sources = read_sources(
        arguments.files,
        registry,
        lambda directory: bool(inventory.deleted_files(directory, settings.state)),
    )
    # Not earlier: while converge waits for standard input, a signal can just end it.
    signals.install_handlers()
    if getattr(arguments, "prune", False):
        _check_prune(sources, arguments.only)
    declared = load_declaration(
        sources, registry, settings.cache, allow_empty=arguments.allow_empty
    )
    files = inventory.files_in_scope(arguments.files, sources, settings.state)
    timeout = getattr(arguments, "lock_timeout", 0)
    recorded = Inventory(files, declared, registry, settings.state, timeout)
    if recorded.unreadable and getattr(arguments, "prune", False):
        raise recorded.unreadable
    return Session(arguments, settings, registry, declared, recorded)


def run_loop(command: str, session: Session, strategy: Strategy) -> Report:
    """Run the loop and build the report.

    Args:
        command: The command to report.
        session: The input.
        strategy: Reports or applies the changes. With `Apply`, the inventory is updated.

    Returns:
        The report. A failed resource is part of it.

    Raises:
        UsageError: `--only` matches no resource.
        ConvergeError, OSError: The whole run failed.

    """
    arguments, registry = session.arguments, session.registry
    pruning = plan_pruning(session.inventory, registry.kinds, prune=arguments.prune)
    selected = options.select_resources(pruning.declared, arguments.only)
    results = pruning.blocked
    for part in filter(None, (pruning.early, selected)):
        results += converge(part, registry.kinds, strategy, arguments.jobs)
        progress.close()
    late, skipped = pruning.late_steps(results)
    results += skipped
    if late:
        results += converge(late, registry.kinds, strategy, arguments.jobs)
        progress.close()
    pruned, remaining = pruning.requested, pruning.remaining(results)
    notices = [
        notice for result in results if result.resource not in pruned for notice in result.notices
    ]
    notices += pruning.notices(remaining)
    if session.inventory.unreadable:
        cause = from_os_error(session.inventory.unreadable)
        notices.append(f"can't read the record of declared resources: {cause.message}")
    elif isinstance(strategy, Apply):
        notices += commit_inventory(session, remaining)
    if not any(result.error for result in results):
        notices += registry.notices(results)
    detailed = arguments.detailed_exitcode
    report = build_report(command, results, registry.kinds, detailed=detailed, pruned=pruned)
    report["notices"] = notices
    return report


def print_report(
    report: Report, arguments: Namespace, registry: KindRegistry, follow_up: str = ""
) -> int:
    """Print a report in the form that the arguments request.

    Args:
        report: The report.
        arguments: The parsed arguments.
        registry: The kinds, for the display of their attributes.
        follow_up: A last line for people, with the command to run next.

    Returns:
        The exit code.

    """
    shown = _quiet_part(report) if arguments.quiet else report
    if arguments.json:
        sys.stdout.write(to_json(report))
    elif shown is not None:
        sys.stdout.write(_as_text(shown, arguments, registry))
        if follow_up and not arguments.quiet:
            sys.stdout.write(f"{printable(follow_up)}\n")
    return report["exit"]["code"]


def _as_text(report: Report, arguments: Namespace, registry: KindRegistry) -> str:
    # Imported here: a run with `--quiet` usually prints nothing.
    from engine.output.report_text import format_report
    from engine.output.text import Paint

    paint = Paint(options.use_color(arguments.color, sys.stdout))
    names = {resource["kind"] for resource in report["resources"]}
    displays = {name: registry.kinds[name].display for name in names}
    width = options.output_width(sys.stdout)
    return format_report(report, paint, displays, verbose=arguments.verbose, width=width)


def _quiet_part(report: Report) -> Report | None:
    """Return the part of a report that `--quiet` prints: the failures, or nothing.

    A plan with changes is printed in full. It is what `converge plan` is called for.
    """
    if report["command"] == "plan" and report["changed"]:
        return report
    if not report["failed"]:
        return None
    failures = [r for r in report["resources"] if r["outcome"] in ("failed", "skipped")]
    return {**report, "resources": failures, "notices": []}


class RecordedIntent(Intent):
    """The inventory. If the process is killed later, the next run knows the resources.

    Called from several threads.
    """

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory

    def check(self) -> None:
        """Check that the inventory can be written."""
        _call_inventory(self.inventory.check_intent)

    def record(self) -> None:
        """Record the declared resources."""
        with _recording:
            _call_inventory(self.inventory.record_intent)


def _call_inventory(function: Callable[[], None]) -> None:
    """Call a function, and explain the consequence of its error.

    Raises:
        ConvergeError: The inventory can't be written.

    """
    try:
        function()
    except (OSError, PermissionDenied) as error:
        cause = from_os_error(error) if isinstance(error, OSError) else error
        hint = "set `CONVERGE_STATE_DIR` to another directory"
        raise type(cause)(
            f"can't record the declared resources; nothing was changed: {cause.message}",
            hint=f"{cause.hint}, or {hint}" if cause.hint else hint,
        ) from error


def commit_inventory(session: Session, remaining: tuple[Resource, ...]) -> Iterable[str]:
    """Update the inventory after a run. If that fails, yield a notice: nothing is lost.

    Args:
        session: The session of the run.
        remaining: The orphans that still exist.

    """
    try:
        session.inventory.commit(remaining)
    except (OSError, ConvergeError) as error:
        cause = from_os_error(error) if isinstance(error, OSError) else error
        yield f"can't update the record of declared resources: {cause.message}"


def setup_progress(arguments: Namespace) -> None:
    """Choose how to show progress."""
    color = options.use_color(arguments.color, sys.stderr)
    progress.set_reporter(choose_reporter(arguments, color=color))


def _check_prune(sources: tuple[SourceFile, ...], only: list[str]) -> None:
    """Check that whole, regular files are given: only those have orphans.

    Raises:
        UsageError: `--prune` can't be used here.

    """
    if only:
        raise UsageError(
            "`--prune` can't be combined with `--only`", hint="omit one of the two options"
        )
    if not all(source.is_regular for source in sources):
        raise UsageError(
            "`--prune` needs files: standard input and pipes have no history",
            hint='declare the resource with `state = "absent"`, or apply a file',
        )
