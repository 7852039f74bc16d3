"""`converge selftest`: whether a file system keeps what the promises need."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from engine import options, progress, stop
from engine.errors import InputMissing
from engine.verb import Verb
from states.selftest import checks
from states.striking import sweep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from engine.verb import Compose


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--dir", required=True, type=Path, help="a folder on that file system")
    parser.add_argument(
        "--points", type=options.positive, default=12, metavar="N", help="kills to try (12)"
    )


def _selftest(arguments: Namespace, compose: Compose) -> int:
    if not arguments.dir.is_dir():
        raise InputMissing(f"no such folder: `{arguments.dir}`")
    stop.listen()  # or the folder would stay
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
        stop.safe_point()
        print(f"{'✗' if trouble else ' '} {name}{': ' + trouble if trouble else ''}")
        yield trouble


def _struck(room: Path, points: int) -> list[str]:
    troubles = []
    for trouble in sweep(room, points, _tell):
        stop.safe_point()  # a terminal asks the run that is tried, too: that is no trouble of it
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
    progress.complain(f"  kill {done} of {total}\n")


VERB = Verb("selftest", "try a file system: rename, flush, lock, kills", _options, _selftest)
