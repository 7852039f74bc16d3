"""`converge check`: compare without changes, with an exit code for guards."""

from __future__ import annotations

from engine.cli import options
from engine.cli.command import Command
from engine.cli.session import open_session, print_report, run_loop
from engine.strategy.actions import DryRun
from engine.system.linux import cpu_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.cli.command import BuildRegistry


def _add_arguments(parser: ArgumentParser) -> None:
    options.add_files_argument(parser)
    options.add_output_options(parser)
    parser.set_defaults(jobs=cpu_count(), prune=False, detailed_exitcode=False)


def _check(arguments: Namespace, build_registry: BuildRegistry) -> int:
    session = open_session(arguments, build_registry)
    return print_report(
        run_loop("check", session, DryRun(compare_only=True)), arguments, session.registry
    )


COMMAND = Command(
    "check",
    "Check for drift, and exit with 0 (none), 2 (drift), or 1 (error)",
    _add_arguments,
    _check,
    group="Main commands",
    is_read_only=True,
    examples=("converge check --quiet site.toml || converge apply site.toml",),
    exit_codes=(
        ("0", "every resource matches the declaration"),
        ("2", "at least one resource differs"),
        ("1", "any error, including invalid arguments"),
    ),
)
