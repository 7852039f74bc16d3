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
from tests.bench.inputs import openstack_services
from tests.bench.measure import RunError, run_rounds
from tests.bench.workspace import Workspace

PEERS = ("pip", "ansible", "salt")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the selected benchmarks, and print and save the results. Return 1 if one failed."""
    options = _parser().parse_args(arguments)
    workspace = Workspace(
        directory=options.work.resolve(),
        python=options.python,
        peers=frozenset(options.peers),
        converge=options.converge,
    )
    exit_code = 0
    for name in options.only or _available():
        print(f"{name}: preparing", file=sys.stderr, flush=True)
        try:
            benchmark = BENCHMARKS[name](workspace)
            load = machine.load()
            print(f"{name}: measuring", file=sys.stderr, flush=True)
            samples = run_rounds(benchmark.cases, options.repeat, workspace.run)
        except RunError as error:
            print(f"{name}: {error}", file=sys.stderr)
            exit_code = 1
            continue
        facts = {**machine.facts(workspace), "load before": load, "runs": str(options.repeat)}
        report.write(name, benchmark, samples, facts)
        print(report.section(json.loads((report.RESULTS / f"{name}.json").read_text())), flush=True)
    report.render(BENCHMARKS)
    return exit_code


def _available() -> list[str]:
    """Return all benchmarks whose input exists on this machine."""
    return [name for name in BENCHMARKS if name != "openstack" or openstack_services()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), metavar="NAME")
    parser.add_argument(
        "--repeat", type=int, default=5, help="runs of each case (default: %(default)s)"
    )
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=PEERS,
        default=["pip", "ansible"],
        help="slow tools to include (default: pip ansible)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / "converge-bench",
        help="directory for all files, reused by the next run (default: %(default)s)",
    )
    parser.add_argument(
        "--python",
        type=Path,
        default=_base_python(),
        help="interpreter of the environments (default: the base of this one)",
    )
    parser.add_argument(
        "--converge",
        type=shlex.split,
        default=_converge(),
        help="command to measure (default: converge next to this interpreter, or these sources)",
    )
    return parser


def _base_python() -> Path:
    return Path(os.path.realpath(sys.executable))


def _converge() -> list[str]:
    installed = Path(sys.executable).with_name("converge")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "states"]


if __name__ == "__main__":
    sys.exit(main())
