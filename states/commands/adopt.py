"""`converge adopt`: take over a venv that another tool created, in one atomic exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.cli.follow_up import undo_command
from engine.cli.session import RecordedIntent, commit_inventory, open_session, print_report
from engine.converge import converge
from engine.errors import ConvergeError
from engine.frozen import replace
from engine.output.report import build_report
from engine.strategy.actions import Apply, DryRun
from states.commands.per_venv import locked_store, print_result
from states.commands.venv_arguments import add_venv_arguments, find_venv
from states.venv.generations.hold import release_hold
from states.venv.observe import FOREIGN, observe

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry
    from engine.cli.session import Session
    from engine.output.report_schema import Report
    from engine.resource import Resource
    from engine.result import Result
    from engine.strategy.actions import Strategy


def _add_arguments(parser: ArgumentParser) -> None:
    add_venv_arguments(parser)
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="Change nothing, and show the plan"
    )
    options.add_lock_timeout_option(parser)
    options.add_output_options(parser)


def _adopt(arguments: Namespace, build_registry: BuildRegistry) -> int:
    session = open_session(arguments, build_registry)
    venv = find_venv(session.declared, arguments.name)
    observation = observe(venv.spec)
    if observation.live_id != FOREIGN:
        raise ConvergeError(
            f"nothing to adopt at `{venv.spec.path}`",
            hint="the path doesn't exist, or converge created it; run `converge apply`",
        )
    intent = RecordedIntent(session.inventory)
    if arguments.dry_run:
        results = _converge_with_adoption(session, venv, DryRun(intent))
        return print_report(_report("plan", results, session), arguments, session.registry)
    progress.start()
    with locked_store(venv, arguments) as store:
        # A hold from an earlier `rollback` to this directory would make apply skip the venv.
        release_hold(store)
    progress.close()
    orphans = session.inventory.orphans()
    results = _converge_with_adoption(session, venv, Apply(arguments.lock_timeout, intent))
    report = _report("adopt", results, session)
    report["notices"] += commit_inventory(session, orphans)
    exit_code = print_report(report, arguments, session.registry)
    if exit_code == 0 and not (arguments.json or arguments.quiet):
        link = observation.link
        backup = f"{store.root}/adopted-*"
        line = f"replaced a symlink to {link}" if link else f"kept the old directory as {backup}"
        undo = undo_command(arguments, () if link else ("rollback", venv.name))
        print_result({}, filter(None, [line, undo]), arguments)
    return exit_code


def _report(command: str, results: tuple[Result, ...], session: Session) -> Report:
    report = build_report(command, results, session.registry.kinds)
    report["notices"] = [notice for result in results for notice in result.notices]
    return report


def _converge_with_adoption(
    session: Session, venv: Resource, strategy: Strategy
) -> tuple[Result, ...]:
    """Converge a venv and its dependencies, as if its declaration contained `adopt = true`.

    Args:
        session: The session.
        venv: The venv. A rollback to the directory doesn't count.
        strategy: Reports or applies the changes.

    Returns:
        The results.

    """
    adopting = replace(venv, spec=replace(venv.spec, adopt=True, ignores_hold=True))
    resources = options.select_resources(session.declared, [venv.address])
    return converge(
        tuple(adopting if resource.address == venv.address else resource for resource in resources),
        session.registry.kinds,
        strategy,
    )


COMMAND = Command(
    "adopt",
    "Take over a venv that another tool created",
    _add_arguments,
    _adopt,
    group="Generations",
    description="""\
Applies one venv in place of a directory that converge didn't create. The directory is kept in
the store as a backup. `converge rollback` restores it.""",
    examples=("converge adopt site.toml web --dry-run", "converge adopt site.toml web"),
)
