"""`converge plan`: show the changes that `apply` would make."""

from __future__ import annotations

from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import RecordedIntent, open_session, print_report, run_loop
from engine.strategy.actions import DryRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry


def _add_arguments(parser: ArgumentParser) -> None:
    options.add_run_arguments(parser)
    parser.add_argument("--out", metavar="PLAN", help="Save the plan for `converge apply --plan`")


def _plan(arguments: Namespace, build_registry: BuildRegistry) -> int:
    if arguments.out is not None:
        from engine.cli.plan_file import check_plan_path

        check_plan_path(arguments.out)
    session = open_session(arguments, build_registry)
    report = run_loop("plan", session, DryRun(RecordedIntent(session.inventory)))
    if arguments.out is not None:
        from engine.cli.plan_file import save

        save(arguments.out, report)
    follow_up = ""
    if report["changed"]:
        # Imported here: a plan without changes has no next step.
        from engine.cli.follow_up import apply_command

        follow_up = apply_command(arguments, report)
    return print_report(report, arguments, session.registry, follow_up)


COMMAND = Command(
    "plan",
    "Show the changes that `apply` would make",
    _add_arguments,
    _plan,
    group="Main commands",
    is_read_only=True,
    description="""\
The plan compares each resource with the declaration and changes nothing. It resolves versions,
so it may need the network, and it writes only to the cache.""",
    examples=(
        "converge plan site.toml",
        "converge plan --only 'command.*' --verbose site.toml",
        "converge plan --out site.plan site.toml",
    ),
    exit_codes=options.RUN_EXIT_CODES,
)
