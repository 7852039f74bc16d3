"""The plain command, as the reference for the other callers."""

from __future__ import annotations

import json

from tests.wrappers.callers.caller import Workspace
from tests.wrappers.scenarios import CallerReport, Case, caller_report, change


class Command:
    """`converge plan -` and `converge apply -`."""

    name = "command"
    reports_versions = True

    def __init__(self, workspace: Workspace) -> None:
        """Run in `workspace`."""
        self.workspace = workspace

    def run(self, cases: list[Case], *, dry: bool) -> dict[str, CallerReport]:
        """Run the command once for each case."""
        return {case.id: self._run_case(case, "plan" if dry else "apply") for case in cases}

    def _run_case(self, case: Case, command: str) -> CallerReport:
        completed = self.workspace.run(
            [self.workspace.executable, command, "-", "--json", "--quiet"],
            stdin=json.dumps(case.declaration),
            **case.secrets,
        )
        document = json.loads(completed.stdout)
        changes = frozenset(
            change(entry["attribute"], entry["before"], entry["after"])
            for resource in document["resources"]
            for entry in resource["changes"]
        )
        return caller_report(
            failed=document["failed"], changed=document["changed"], changes=changes
        )
