"""DSC: a minimal reimplementation of `dsc`, which isn't available as a package.

It reads the manifest, runs the executable of a method with one JSON object on standard input, and
reads JSON lines. It relies only on the manifest.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from tests.wrappers.callers.caller import Workspace
from tests.wrappers.scenarios import CallerReport, Case, Change, caller_report

_NOT_PROPERTIES = {"state"}


class Dsc:
    """`whatIf` and `set` of the resource."""

    name = "dsc"
    reports_versions = False

    def __init__(self, workspace: Workspace) -> None:
        """Run in `workspace`."""
        self.workspace = workspace
        manifest = workspace.wrapper / "converge.dsc.resource.json"
        self.manifest: dict[str, Any] = json.loads(manifest.read_text())

    def call(
        self, method: str, properties: dict[str, Any] | None, **environ: str
    ) -> tuple[subprocess.CompletedProcess[str], list[Any]]:
        """Call one method as the manifest specifies; return the process and its JSON lines."""
        entry = self.manifest[method]
        completed = self.workspace.run(
            [self.workspace.wrapper / entry["executable"], *entry["args"]],
            stdin=json.dumps(properties) if properties is not None else "",
            **{"CONVERGE_EXECUTABLE": str(self.workspace.executable), **environ},
        )
        return completed, [json.loads(line) for line in completed.stdout.splitlines()]

    def run(self, cases: list[Case], *, dry: bool) -> dict[str, CallerReport]:
        """Call the method once for each case."""
        return {case.id: self._run_case(case, "whatIf" if dry else "set") for case in cases}

    def _run_case(self, case: Case, method: str) -> CallerReport:
        completed, lines = self.call(method, properties(case), **case.secrets)
        if completed.returncode:
            return caller_report(failed=True, changed=False, changes=frozenset())
        _, differ = lines
        changes: frozenset[Change] = frozenset((name, "", "") for name in differ)
        return caller_report(failed=False, changed=bool(differ), changes=changes)


def properties(case: Case) -> dict[str, Any]:
    """Return the only venv of a case as properties of the resource."""
    [(name, table)] = case.declaration["venv"].items()
    state = {_camel_case(key): value for key, value in table.items() if key not in _NOT_PROPERTIES}
    state["name"] = name
    if table.get("state") == "absent":
        state["_exist"] = False
    return state


def _camel_case(name: str) -> str:
    return re.sub("-([a-z])", lambda match: match.group(1).upper(), name)
