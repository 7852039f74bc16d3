"""Measure ten venvs through each tool, with converge and with the tool's own module.

`python -m tests.wrappers.bench` measures a first run on an empty disk and a run without changes, and
writes docs/how-to/measured.md. The venvs are small, so the tools dominate the times. Both sides
install the same wheels from the same directory, without an index.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from states.wrappers import PLACES, write
from tests.support.wheels import make_wheel
from tests.wrappers.callers.ansible import Ansible
from tests.wrappers.callers.caller import Workspace, clean_environment
from tests.wrappers.callers.pyinfra import Pyinfra
from tests.wrappers.callers.salt import Salt
from tests.wrappers.environments import REPOSITORY, environment
from tests.wrappers.sources import PYTHON

VENVS = [f"service{number}" for number in range(10)]
PACKAGES = [f"package{number}" for number in range(5)]
PAGE = REPOSITORY / "docs" / "how-to" / "measured.md"

Run = Callable[[], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """The run times of one way to create ten venvs."""

    tool: str
    by: str
    cold: float
    noop: float


class BenchmarkSetup:
    """A directory with wheels, a requirements file, and the command."""

    def __init__(self, directory: Path, executable: Path) -> None:
        """Write the files that both sides install."""
        self.directory = directory
        self.executable = executable
        self.venvs = directory / "venvs"
        for name in PACKAGES:
            make_wheel(directory / "wheels", name, "1.0")
        self.requirements = directory / "requirements.txt"
        self.requirements.write_text("".join(f"{name}==1.0\n" for name in PACKAGES))
        for tool in PLACES:
            write(tool, directory / "wrappers" / tool, "0.1.0")

    def workspace(self, tool: str, name: str) -> Workspace:
        """Return a separate workspace for one way."""
        at = self.directory / name.replace(" ", "-")
        at.mkdir()
        environ = clean_environment(self.directory) | {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.directory / "wheels"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        return Workspace(
            directory=at,
            executable=self.executable,
            wrapper=self.directory / "wrappers" / tool,
            environ=environ,
        )

    def declaration(self) -> dict[str, Any]:
        """Return the declaration of the ten venvs."""
        common = {
            "python": PYTHON,
            "find-links": [str(self.directory / "wheels")],
            "no-index": True,
        }
        table = common | {"requirements": [str(self.requirements)]}
        return {"venv": {name: table | {"path": str(self.venvs / name)} for name in VENVS}}

    def clear(self) -> None:
        """Delete the venvs and the private directories of converge."""
        for name in ("venvs", "cache", "state"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        self.venvs.mkdir()

    def measure(self, tool: str, by: str, run: Run, runs: int) -> Row:
        """Measure the first run, and the median of `runs` more.

        Args:
            tool: The name of the tool.
            by: The command or module that creates the venvs.
            run: Called for each run.
            runs: The number of runs that change nothing.

        """
        self.clear()
        cold = _seconds(run)
        assert all((self.venvs / name / "bin" / "python").exists() for name in VENVS), by
        row = Row(
            tool=tool, by=by, cold=cold, noop=statistics.median(_seconds(run) for _ in range(runs))
        )
        print(row, flush=True)
        return row


def _seconds(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def command(setup: BenchmarkSetup) -> list[tuple[str, str, Run]]:
    """Return the plain command."""
    at = setup.workspace("dsc", "command")

    def apply() -> None:
        completed = at.run(
            [at.executable, "apply", "-", "--quiet"], stdin=json.dumps(setup.declaration())
        )
        assert completed.returncode == 0, completed.stderr

    return [("–", "`converge apply`", apply)]


def ansible(setup: BenchmarkSetup) -> list[tuple[str, str, Run]]:
    """Return the two ways with Ansible."""
    tool = Ansible(setup.workspace("ansible", "ansible"), environment("ansible-2.21"), "ansible")

    def play(*tasks: dict[str, Any]) -> Run:
        def run() -> None:
            code, output = tool.play({"tasks": list(tasks)})
            assert code == 0, output

        return run

    with_converge = {"declaration": setup.declaration(), "executable": str(setup.executable)}
    with_own_module = {
        "requirements": str(setup.requirements),
        "virtualenv": str(setup.venvs) + "/{{ item }}",
        "virtualenv_command": f"{PYTHON} -m venv",
    }
    return [
        ("Ansible 2.21", "`converge.python.venv`", play({"converge.python.venv": with_converge})),
        (
            "Ansible 2.21",
            "`ansible.builtin.pip`",
            play({"ansible.builtin.pip": with_own_module, "loop": VENVS}),
        ),
    ]


def salt(setup: BenchmarkSetup) -> list[tuple[str, str, Run]]:
    """Return the two ways with Salt."""
    tool = Salt(setup.workspace("salt", "salt"), environment("salt"))

    def states(high: dict[str, Any]) -> Run:
        def run() -> None:
            results = tool.apply(high)
            assert all(result["result"] for result in results.values()), results

        return run

    with_converge = [{"declaration": setup.declaration()}, {"executable": str(setup.executable)}]
    with_own_module: dict[str, Any] = {
        str(setup.venvs / name): {
            "virtualenv.managed": [
                {"requirements": str(setup.requirements)},
                {"venv_bin": str(Path(sys.executable).with_name("virtualenv"))},
                {"python": PYTHON},
            ]
        }
        for name in VENVS
    }
    return [
        ("Salt 3008", "`converge.applied`", states({"ten": {"converge.applied": with_converge}})),
        ("Salt 3008", "`virtualenv.managed`", states(with_own_module)),
    ]


def pyinfra(setup: BenchmarkSetup) -> list[tuple[str, str, Run]]:
    """Return the two ways with pyinfra."""
    tool = Pyinfra(setup.workspace("pyinfra", "pyinfra"), environment("pyinfra"))

    def deploy(text: str) -> Run:
        def run() -> None:
            code, _, output = tool.deploy(text, "--yes")
            assert code == 0, output

        return run

    with_converge = f"converge.applied(declaration={setup.declaration()!r}, executable={str(setup.executable)!r})"
    with_own_module = f"""
for name in {VENVS!r}:
    path = {str(setup.venvs)!r} + "/" + name
    pip.venv(path=path, python={PYTHON!r})
    pip.packages(requirements={str(setup.requirements)!r}, virtualenv=path)
"""
    return [
        (
            "pyinfra 3",
            "`converge.applied`",
            deploy(f"from pyinfra_converge import converge\n{with_converge}\n"),
        ),
        (
            "pyinfra 3",
            "`pip.packages`",
            deploy(f"from pyinfra.operations import pip\n{with_own_module}"),
        ),
    ]


_PAGE_TEMPLATE = """\
# Measured costs

This page compares converge with the modules that each tool includes, for ten venvs of five small packages each.
Both sides install the same wheels over a local connection.

The *first run* starts with an empty disk and empty caches. *No changes* is the median of {runs} runs that change nothing.
Times are wall-clock seconds on {machine}. The load average was {load} at the start.

`python -m tests.wrappers.bench` generates this page.

| called from | command or module | first run | no changes |
|---|---|--:|--:|
{rows}
{fleet}"""


def page(rows: list[Row], runs: int, load: float, fleet: str) -> str:
    """Return the Markdown page."""
    table = "\n".join(
        f"| {row.tool} | {row.by} | {row.cold:.1f} s | {row.noop:.2f} s |" for row in rows
    )
    machine = f"{os.cpu_count()} processors, Python {platform.python_version()}"
    return _PAGE_TEMPLATE.format(
        rows=table, runs=runs, machine=machine, load=f"{load:.1f}", fleet=fleet
    )


def main() -> None:
    """Measure everything and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executable", type=Path, required=True, help="the command to measure")
    parser.add_argument("--runs", type=int, default=3, help="runs without changes (default: 3)")
    parser.add_argument(
        "--fleet", type=Path, help="measurements of the fleet tests (the file in CONVERGE_MEASURED)"
    )
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as directory:
        setup = BenchmarkSetup(Path(directory), options.executable)
        ways = [way for tool in (command, ansible, salt, pyinfra) for way in tool(setup)]
        rows = [setup.measure(*way, options.runs) for way in ways]
    lines = options.fleet.read_text().splitlines() if options.fleet else []
    fleet = "\n".join(["## Load on the index", "", *(f"- {line}" for line in lines), ""])
    PAGE.write_text(page(rows, options.runs, load, "\n" + fleet if lines else ""))


if __name__ == "__main__":
    main()
