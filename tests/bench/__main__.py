"""Run the benchmarks: `python -m tests.bench --only noop-10 --repeat 5`."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench import machine, report
from tests.bench.benchmarks import BENCHMARKS
from tests.bench.measure import RunError, run_rounds
from tests.bench.setting import Setting

PEERS = ("pip", "ansible", "salt")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for, print and keep the figures; return 1 if something did not run."""
    asked = _parser().parse_args(arguments)
    setting = Setting(
        folder=asked.work.resolve(),
        python=asked.python,
        peers=frozenset(asked.peers),
        converge=asked.converge,
    )
    broken = 0
    for name in asked.only or BENCHMARKS:
        print(f"{name}: preparing", file=sys.stderr, flush=True)
        try:
            benchmark = BENCHMARKS[name](setting)
            load = machine.load()
            print(f"{name}: measuring", file=sys.stderr, flush=True)
            samples = run_rounds(benchmark.cases, asked.repeat, setting.run)
        except RunError as error:
            print(f"{name}: {error}", file=sys.stderr)
            broken = 1
            continue
        facts = {**machine.facts(setting), "load before": load, "runs": str(asked.repeat)}
        report.write(name, benchmark, samples, facts)
        print(report.section(json.loads((report.RESULTS / f"{name}.json").read_text())), flush=True)
    report.render(BENCHMARKS)
    return broken


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each case (default 5)")
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=PEERS,
        default=["pip", "ansible"],
        help="the dear ones that take part (default: pip ansible)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / "converge-bench",
        help="folder for all that is made, kept for the next run (default: %(default)s)",
    )
    parser.add_argument(
        "--python", type=Path, default=_base_python(), help="interpreter of the environments"
    )
    parser.add_argument(
        "--converge",
        type=shlex.split,
        default=_converge(),
        help="the command under test (default: the one beside this interpreter, or the sources)",
    )
    return parser


def _base_python() -> Path:
    return Path(os.path.realpath(sys.executable))


def _converge() -> list[str]:
    installed = Path(sys.executable).with_name("converge")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "states"]


if __name__ == "__main__":
    sys.exit(main())
