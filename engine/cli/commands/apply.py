"""`converge apply`: make the changes needed to match the declaration."""

from __future__ import annotations

from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import RecordedIntent, open_session, print_report, run_loop
from engine.strategy.actions import Apply, DryRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry
    from engine.cli.session import Session
    from engine.output.report_schema import Report


def _add_arguments(parser: ArgumentParser) -> None:
    options.add_run_arguments(parser)
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="Change nothing, like `converge plan`"
    )
    parser.add_argument(
        "--plan", metavar="PLAN", help="Apply this saved plan, or fail if it is out of date"
    )
    options.add_lock_timeout_option(parser)


def _apply(arguments: Namespace, build_registry: BuildRegistry) -> int:
    if arguments.plan is not None:
        from engine.cli.plan_file import read_digest

        read_digest(arguments.plan)  # An invalid plan should fail before any work.
    session = open_session(arguments, build_registry)
    intent = RecordedIntent(session.inventory)
    strategy = Apply(arguments.lock_timeout, intent)
    if arguments.dry_run or arguments.plan:
        planned = run_loop("plan", session, DryRun(intent))
        if arguments.plan:
            from engine.cli.plan_file import ApplySavedPlan, confirm

            confirm(arguments.plan, planned)
            strategy = ApplySavedPlan(planned, arguments.lock_timeout, intent)
        if arguments.dry_run:
            return _print_plan(planned, session)
    return _print_applied(run_loop("apply", session, strategy), session)


def _print_plan(report: Report, session: Session) -> int:
    arguments, follow_up = session.arguments, ""
    if report["changed"]:
        # Imported here: a run without changes has no next step.
        from engine.cli.follow_up import apply_command

        follow_up = apply_command(arguments, report)
    return print_report(report, arguments, session.registry, follow_up)


def _print_applied(report: Report, session: Session) -> int:
    arguments, registry, follow_up = session.arguments, session.registry, ""
    if report["changed"]:
        # Imported here: a run without changes has nothing to undo.
        from engine.cli.follow_up import undo_command

        undo = registry.undo(session.declared, report["resources"])
        follow_up = undo_command(arguments, undo)
    return print_report(report, arguments, registry, follow_up)


COMMAND = Command(
    "apply",
    "Make the changes needed to match the declaration",
    _add_arguments,
    _apply,
    group="Main commands",
    description="""\
The command is idempotent and safe to interrupt: to continue after a kill or a power failure, run
it again. If a resource fails, it keeps its previous state, and converge continues with the
resources that don't depend on it.""",
    examples=(
        "converge apply site.toml",
        "converge apply --upgrade-package django site.toml",
        "converge apply --prune --jobs 4 /etc/converge",
        "converge apply --plan site.plan site.toml",
    ),
    exit_codes=options.RUN_EXIT_CODES,
)
