"""Salt without a master: one state file with a state for each case."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.wrappers.callers.caller import Workspace
from tests.wrappers.scenarios import CallerReport, Case, Change, caller_report


class Salt:
    """`salt-call --local state.apply`, with `test=True` and without."""

    name = "salt"
    reports_versions = True

    def __init__(self, workspace: Workspace, bin_dir: Path) -> None:
        """Set up a minion in `workspace`, with the modules in `_states` and `_modules`."""
        self.workspace = workspace
        self.bin = bin_dir
        self.tree = workspace.directory / "states"
        self.pillar = workspace.directory / "pillar"
        for directory in (self.tree, self.pillar, workspace.directory / "etc"):
            directory.mkdir(parents=True)
        for kind in ("_states", "_modules"):
            shutil.copytree(workspace.wrapper / kind, self.tree / kind)
        (workspace.directory / "etc" / "minion").write_text(json.dumps(self._minion()))
        self.set_pillar({})
        code, _, output = self.call("saltutil.sync_all")
        assert code == 0, output

    def _minion(self) -> dict[str, Any]:
        root = self.workspace.directory / "minion"
        return {
            "id": "here",
            "file_client": "local",
            "root_dir": str(root),
            "pki_dir": str(root / "pki"),
            "cachedir": str(root / "cache"),
            "log_file": str(root / "log"),
            "file_roots": {"base": [str(self.tree)]},
            "pillar_roots": {"base": [str(self.pillar)]},
        }

    def set_pillar(self, pillar: dict[str, Any]) -> None:
        """Replace the pillar of the minion."""
        (self.pillar / "top.sls").write_text('#!json\n{"base": {"*": ["all"]}}')
        (self.pillar / "all.sls").write_text("#!json\n" + json.dumps(pillar))

    def call(self, function: str, *arguments: str) -> tuple[int, Any, str]:
        """Call one function; return the exit code, the returned value, and the output."""
        command: list[str | Path] = [
            self.bin / "salt-call",
            "--local",
            "-c",
            self.workspace.directory / "etc",
        ]
        command += ["--retcode-passthrough", "--out=json", function, *arguments]
        completed = self.workspace.run(command)
        try:
            returned = json.loads(completed.stdout)["local"]
        except (ValueError, KeyError):
            returned = None
        return completed.returncode, returned, completed.stdout + completed.stderr

    def apply(self, states: dict[str, Any], *, dry: bool = False) -> dict[str, dict[str, Any]]:
        """Apply the states; return the result of each, by ID and function."""
        (self.tree / "table.sls").write_text("#!json\n" + json.dumps(states))
        _, returned, output = self.call("state.apply", "table", f"test={dry}")
        assert isinstance(returned, dict), output
        tags = {tag: tag.split("_|-") for tag in returned}
        return {f"{parts[1]} {parts[0]}.{parts[3]}": returned[tag] for tag, parts in tags.items()}

    def run(self, cases: list[Case], *, dry: bool) -> dict[str, CallerReport]:
        """Apply one state file of all cases."""
        self.set_pillar(
            {"secrets": {key: value for case in cases for key, value in case.secrets.items()}}
        )
        states = {case.id: state(case, self.workspace.executable) for case in cases}
        results = self.apply(states, dry=dry)
        return {case.id: _report(results[f"{case.id} converge.applied"], dry=dry) for case in cases}


def state(case: Case, executable: Path) -> dict[str, Any]:
    """Return the state of a case, which names each secret by its pillar key."""
    options: list[dict[str, Any]] = [
        {"declaration": case.declaration},
        {"executable": str(executable)},
    ]
    if case.secrets:
        options.append({"secrets": {name: f"secrets:{name}" for name in case.secrets}})
    return {"converge.applied": options}


def _report(result: dict[str, Any], *, dry: bool) -> CallerReport:
    changes: frozenset[Change] = frozenset(
        (attribute, sides["old"], sides["new"])
        for attributes in result["changes"].values()
        for attribute, sides in attributes.items()
    )
    # In a dry run, Salt returns None for a state that would change. A real run lists its changes.
    changed = result["result"] is None if dry else bool(changes)
    return caller_report(failed=result["result"] is False, changed=changed, changes=changes)
