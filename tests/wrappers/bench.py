"""Ten environments through each tool, by converge and by the tool's own module.

`python -m tests.wrappers.bench` measures a first run on an empty disk and a run with nothing to do,
and writes docs/how-to/measured.md. The environments are small, so that what is measured is the
tools; both sides take the same wheels from the same folder, without an index.
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

Act = Callable[[], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One way of making ten environments."""

    tool: str
    by: str
    cold: float
    noop: float


class Setting:
    """A folder with wheels, a requirement file, and the engine."""

    def __init__(self, directory: Path, executable: Path) -> None:
        """Write what both sides install."""
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
        """Return a place of its own for one way."""
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
        """Return the ten environments as converge is told of them."""
        common = {
            "python": PYTHON,
            "find-links": [str(self.directory / "wheels")],
            "no-index": True,
        }
        table = common | {"requirements": [str(self.requirements)]}
        return {"venv": {name: table | {"path": str(self.venvs / name)} for name in VENVS}}

    def clear(self) -> None:
        """Remove the environments, and all that converge keeps."""
        for name in ("venvs", "cache", "state"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        self.venvs.mkdir()

    def measure(self, tool: str, by: str, act: Act, runs: int) -> Row:
        """Time one first run and the median of some more."""
        self.clear()
        cold = _seconds(act)
        assert all((self.venvs / name / "bin" / "python").exists() for name in VENVS), by
        row = Row(
            tool=tool, by=by, cold=cold, noop=statistics.median(_seconds(act) for _ in range(runs))
        )
        print(row, flush=True)
        return row


def _seconds(act: Act) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def command(setting: Setting) -> list[tuple[str, str, Act]]:
    """Return the plain command."""
    at = setting.workspace("dsc", "command")

    def apply() -> None:
        completed = at.run(
            [at.executable, "apply", "-", "--quiet"], stdin=json.dumps(setting.declaration())
        )
        assert completed.returncode == 0, completed.stderr

    return [("–", "`converge apply`", apply)]


def ansible(setting: Setting) -> list[tuple[str, str, Act]]:
    """Return Ansible's two ways."""
    tool = Ansible(setting.workspace("ansible", "ansible"), environment("ansible-2.21"), "ansible")

    def play(*tasks: dict[str, Any]) -> Act:
        def run() -> None:
            code, output = tool.play({"tasks": list(tasks)})
            assert code == 0, output

        return run

    ours = {"declaration": setting.declaration(), "executable": str(setting.executable)}
    theirs = {
        "requirements": str(setting.requirements),
        "virtualenv": str(setting.venvs) + "/{{ item }}",
        "virtualenv_command": f"{PYTHON} -m venv",
    }
    return [
        ("Ansible 2.21", "`converge.python.venv`", play({"converge.python.venv": ours})),
        (
            "Ansible 2.21",
            "`ansible.builtin.pip`",
            play({"ansible.builtin.pip": theirs, "loop": VENVS}),
        ),
    ]


def salt(setting: Setting) -> list[tuple[str, str, Act]]:
    """Return Salt's two ways."""
    tool = Salt(setting.workspace("salt", "salt"), environment("salt"))

    def states(high: dict[str, Any]) -> Act:
        def run() -> None:
            said = tool.apply(high)
            assert all(answer["result"] for answer in said.values()), said

        return run

    ours = [{"declaration": setting.declaration()}, {"executable": str(setting.executable)}]
    theirs: dict[str, Any] = {
        str(setting.venvs / name): {
            "virtualenv.managed": [
                {"requirements": str(setting.requirements)},
                {"venv_bin": str(Path(sys.executable).with_name("virtualenv"))},
                {"python": PYTHON},
            ]
        }
        for name in VENVS
    }
    return [
        ("Salt 3008", "`converge.applied`", states({"ten": {"converge.applied": ours}})),
        ("Salt 3008", "`virtualenv.managed`", states(theirs)),
    ]


def pyinfra(setting: Setting) -> list[tuple[str, str, Act]]:
    """Return pyinfra's two ways."""
    tool = Pyinfra(setting.workspace("pyinfra", "pyinfra"), environment("pyinfra"))

    def deploy(text: str) -> Act:
        def run() -> None:
            code, _, output = tool.deploy(text, "--yes")
            assert code == 0, output

        return run

    ours = f"converge.applied(declaration={setting.declaration()!r}, executable={str(setting.executable)!r})"
    theirs = f"""
for name in {VENVS!r}:
    path = {str(setting.venvs)!r} + "/" + name
    pip.venv(path=path, python={PYTHON!r})
    pip.packages(requirements={str(setting.requirements)!r}, virtualenv=path)
"""
    return [
        (
            "pyinfra 3",
            "`converge.applied`",
            deploy(f"from pyinfra_converge import converge\n{ours}\n"),
        ),
        ("pyinfra 3", "`pip.packages`", deploy(f"from pyinfra.operations import pip\n{theirs}")),
    ]


_WORDS = """\
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
    """Return the page of Markdown."""
    table = "\n".join(
        f"| {row.tool} | {row.by} | {row.cold:.1f} s | {row.noop:.2f} s |" for row in rows
    )
    machine = f"{os.cpu_count()} processors, Python {platform.python_version()}"
    return _WORDS.format(rows=table, runs=runs, machine=machine, load=f"{load:.1f}", fleet=fleet)


def main() -> None:
    """Measure everything and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", type=Path, required=True, help="the command to measure")
    parser.add_argument("--runs", type=int, default=3, help="runs with nothing to do (default 3)")
    parser.add_argument(
        "--fleet", type=Path, help="figures of the fleet, as CONVERGE_MEASURED names"
    )
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as directory:
        setting = Setting(Path(directory), asked.executable)
        ways = [way for tool in (command, ansible, salt, pyinfra) for way in tool(setting)]
        rows = [setting.measure(*way, asked.runs) for way in ways]
    lines = asked.fleet.read_text().splitlines() if asked.fleet else []
    fleet = "\n".join(["## Load on the index", "", *(f"- {line}" for line in lines), ""])
    PAGE.write_text(page(rows, asked.runs, load, "\n" + fleet if lines else ""))


if __name__ == "__main__":
    main()
