"""`converge selftest`: whether a file system keeps what the promises need."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from engine import progress
from engine.cli import options
from engine.cli.command import Command
from engine.errors import NoInput
from engine.system import signals
from states.selftest.checks import checks
from states.selftest.kill_sweep import sweep_kills

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from engine.cli.command import BuildRegistry


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--dir", required=True, type=Path, help="a folder on that file system")
    parser.add_argument(
        "--points", type=options.positive, default=12, metavar="N", help="kills to try (12)"
    )


def _selftest(arguments: Namespace, compose: BuildRegistry) -> int:
    if not arguments.dir.is_dir():
        raise NoInput(f"no such folder: `{arguments.dir}`")
    signals.install_handlers()  # or the folder would stay
    room = Path(tempfile.mkdtemp(prefix="converge-selftest-", dir=arguments.dir.resolve()))
    try:
        troubles = [*_checked(room), *_struck(room, arguments.points)]
    finally:
        shutil.rmtree(room)
    failed = len([*filter(None, troubles)])
    print("Selftest: " + (f"{failed} failed" if failed else "all promises hold here") + ".")
    return 1 if failed else 0


def _checked(room: Path) -> Iterator[str]:
    for name, trouble in checks(room):
        signals.raise_if_interrupted()
        print(f"{'✗' if trouble else ' '} {name}{': ' + trouble if trouble else ''}")
        yield trouble


def _struck(room: Path, points: int) -> list[str]:
    troubles = []
    for trouble in sweep_kills(room, points, _tell):
        signals.raise_if_interrupted()  # the terminal signals the tried run, too
        troubles.append(trouble)
        if trouble:
            print(f"✗ {trouble}")
    if not troubles:
        troubles = ["no kill came about"]
        print(f"✗ {troubles[0]}")
    elif not any(troubles):
        print(f"  {len(troubles)} kills of an update, each put right by the next run")
    return troubles


def _tell(done: int, total: int) -> None:
    progress.write_stderr(f"  kill {done} of {total}\n")


COMMAND = Command("selftest", "try a file system: rename, flush, lock, kills", _options, _selftest)
