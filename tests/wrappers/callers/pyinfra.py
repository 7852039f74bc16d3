"""pyinfra on this machine: one deploy with an operation for each case."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.wrappers.callers.caller import Workspace
from tests.wrappers.scenarios import CallerReport, Case, caller_report, change

_DEPLOY = """\
import json
from pathlib import Path
from pyinfra.api import HiddenValue
from pyinfra_converge import converge

for case in json.loads(Path({cases!r}).read_text()):
    converge.applied(
        name=case["id"],
        declaration=case["declaration"],
        secrets={{key: HiddenValue(value) for key, value in case["secrets"].items()}},
        executable={executable!r},
        _ignore_errors=True,
    )
"""


class Pyinfra:
    """`pyinfra @local --dry` and `pyinfra @local --yes`."""

    name = "pyinfra"
    reports_versions = True

    def __init__(self, workspace: Workspace, bin_dir: Path) -> None:
        """Run in `workspace`, with the programs of the tool in `bin_dir`."""
        self.workspace = workspace
        self.bin = bin_dir

    def deploy(self, text: str, *options: str) -> tuple[int, Any, str]:
        """Run a deploy; return the exit code, the JSON on its stdout, and its log."""
        script = self.workspace.directory / "deploy.py"
        script.write_text(text)
        source = self.workspace.wrapper / "pyinfra-converge" / "src"
        inherited = self.workspace.environ.get("PYTHONPATH")
        path = f"{source}:{inherited}" if inherited else str(source)
        arguments: list[str | Path] = [self.bin / "pyinfra", "@local", script, "--json", *options]
        completed = self.workspace.run(arguments, PYTHONPATH=path, COLUMNS="500")
        try:
            document = json.loads(completed.stdout)
        except ValueError:
            document = None
        return completed.returncode, document, completed.stderr

    def run(self, cases: list[Case], *, dry: bool) -> dict[str, CallerReport]:
        """Run one deploy of all cases."""
        path = self.workspace.directory / "cases.json"
        path.write_text(
            json.dumps(
                [
                    {
                        "id": case.id,
                        "declaration": case.declaration,
                        "secrets": dict(case.secrets),
                    }
                    for case in cases
                ]
            )
        )
        text = _DEPLOY.format(cases=str(path), executable=str(self.workspace.executable))
        _, document, log = self.deploy(text, "--dry" if dry else "--yes")
        assert document is not None, log
        changed = _changed(document, dry=dry)
        return {case.id: _report(case.id, case.id in changed, log) for case in cases}


def _changed(document: dict[str, Any], *, dry: bool) -> set[str]:
    """Return the names of the operations that pyinfra counts as changes."""
    if dry:
        operations = document["plan"]
        return {operation["name"] for operation in operations if operation["hosts_with_change"]}
    operations = document["results"]["operations"]
    return {operation["name"] for operation in operations if operation["success"]}


def _report(name: str, changed: bool, log: str) -> CallerReport:
    lines = re.findall(rf"venv\.{re.escape(name)}: (.*)", log)
    matches = [re.fullmatch(r"(\S+) (.*) -> (.*?)\s*", line) for line in lines]
    changes = frozenset(
        change(match[1], *("" if side == "absent" else side for side in (match[2], match[3])))
        for match in matches
        if match
    )
    # In a dry run, an operation that can't succeed logs an error line and counts as a change.
    return caller_report(failed=None in matches, changed=changed, changes=changes)
