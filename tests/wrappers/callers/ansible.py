"""Ansible: one play with a task for each case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.wrappers.callers.caller import Workspace
from tests.wrappers.scenarios import CallerReport, Case, caller_report, change


class Ansible:
    """`ansible-playbook --check` and `ansible-playbook`, over a local connection."""

    reports_versions = True

    def __init__(self, workspace: Workspace, bin_dir: Path, name: str) -> None:
        """Run in `workspace`, with the programs of the tool in `bin_dir`."""
        self.workspace = workspace
        self.bin = bin_dir
        self.name = name
        self.python = bin_dir / "python"

    def play(self, play: dict[str, Any], *options: str, **environ: str) -> tuple[int, str]:
        """Run one play on this machine; return the exit code and the output."""
        inventory = self.workspace.directory / "inventory"
        inventory.write_text(
            f"here ansible_connection=local ansible_python_interpreter={self.python} "
            f"ansible_async_dir={self.workspace.directory / 'async'}\n"
        )
        book = self.workspace.directory / "play.json"
        book.write_text(json.dumps([{"hosts": "here", "gather_facts": False, **play}]))
        completed = self.workspace.run(
            [self.bin / "ansible-playbook", "-i", inventory, book, *options],
            ANSIBLE_COLLECTIONS_PATH=str(self.workspace.wrapper),
            ANSIBLE_NOCOLOR="1",
            **environ,
        )
        return completed.returncode, completed.stdout + completed.stderr

    def run(self, cases: list[Case], *, dry: bool) -> dict[str, CallerReport]:
        """Run one play of all cases, and read the result of each task."""
        results = self.workspace.directory / "results.json"
        results.unlink(missing_ok=True)
        registered = ", ".join(f"'{case.id}': {_variable(case)}" for case in cases)
        save = {"content": "{{ {" + registered + "} | to_json }}", "dest": str(results)}
        play = {
            "tasks": [
                *(task(case, self.workspace.executable) for case in cases),
                {"ansible.builtin.copy": save, "check_mode": False},
            ]
        }
        code, output = self.play(play, "--diff", *(["--check"] if dry else []))
        assert code == 0, output
        return {key: _report(result) for key, result in json.loads(results.read_text()).items()}


def task(case: Case, executable: Path) -> dict[str, Any]:
    """Return the task of a case."""
    options = {"declaration": case.declaration, "executable": str(executable)}
    if case.secrets:
        options["secrets"] = dict(case.secrets)
    return {
        "name": case.id,
        "converge.python.venv": options,
        "register": _variable(case),
        "ignore_errors": True,
    }


def _variable(case: Case) -> str:
    return "r_" + case.id.replace("-", "_")


def _report(result: dict[str, Any]) -> CallerReport:
    changes = frozenset(
        change(entry["attribute"], entry["before"], entry["after"])
        for resource in result.get("resources") or []
        for entry in resource["changes"]
    )
    return caller_report(failed=result["failed"], changed=result["changed"], changes=changes)
