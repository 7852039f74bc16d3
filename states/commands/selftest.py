"""`converge selftest`: test whether a file system supports converge's guarantees."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.errors import NoInput
from engine.system import signals
from states.selftest.checks import run_checks
from states.selftest.kill_sweep import sweep_kills

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from engine.cli.command import BuildRegistry


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--dir",
        required=True,
        type=Path,
        metavar="DIR",
        help="Directory on the file system to test",
    )
    parser.add_argument(
        "--kills",
        type=options.positive,
        default=12,
        metavar="N",
        help="Maximum number of updates to kill (default: 12)",
    )


def _selftest(arguments: Namespace, build_registry: BuildRegistry) -> int:
    if not arguments.dir.is_dir():
        raise NoInput(f"directory doesn't exist: `{arguments.dir}`")
    # Without a handler, a signal would leave the scratch directory behind.
    signals.install_handlers()
    scratch = Path(tempfile.mkdtemp(prefix="converge-selftest-", dir=arguments.dir.resolve()))
    try:
        failures = [*_report_checks(scratch), *_report_kills(scratch, arguments.kills)]
    finally:
        shutil.rmtree(scratch)
    failed = len([*filter(None, failures)])
    print(f"Selftest: {failed} failed." if failed else "Selftest: all tests passed.")
    return 1 if failed else 0


def _report_checks(scratch: Path) -> Iterator[str]:
    """Run and print each check; yield its failure, or an empty string."""
    for name, failure in run_checks(scratch):
        signals.raise_if_interrupted()
        print(f"{'✗' if failure else ' '} {name}{': ' + failure if failure else ''}")
        yield failure


def _report_kills(scratch: Path, kills: int) -> list[str]:
    """Run the kill sweep, print its failures, and return a failure or an empty string per kill."""
    failures = []
    for failure in sweep_kills(scratch, kills, _report_progress):
        # The terminal also sends the signal to the tested run.
        signals.raise_if_interrupted()
        failures.append(failure)
        if failure:
            print(f"✗ {failure}")
    if not failures:
        failures = ["no update was killed"]
        print(f"✗ {failures[0]}")
    elif not any(failures):
        print(f"  killed updates: {len(failures)}, each repaired by the next run")
    return failures


def _report_progress(kill: int, total: int) -> None:
    progress.write_stderr(f"  kill {kill} of {total}\n")


COMMAND = Command(
    "selftest",
    "Test whether a file system supports converge's guarantees",
    _add_arguments,
    _selftest,
    description="""\
Tests renames, syncs, locks, and timestamps in a temporary directory, then kills updates of a
small venv at different points. After each kill, the next run must repair the venv.""",
    examples=("converge selftest --dir /srv/venvs",),
    exit_codes=(("0", "all tests passed"), ("1", "a test failed")),
)
