"""Ansible: one task for each case in one play."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.wrappers.callers.caller import Place
from tests.wrappers.table import Case, Told, change, told


class Ansible:
    """`ansible-playbook --check` and `ansible-playbook`, over a local connection."""

    names_versions = True

    def __init__(self, place: Place, bin_folder: Path, name: str) -> None:
        """Work in that place with the tool's programs in `bin_folder`."""
        self.place = place
        self.bin = bin_folder
        self.name = name
        self.python = bin_folder / "python"

    def play(self, play: dict[str, Any], *options: str, **environ: str) -> tuple[int, str]:
        """Run one play on this machine; return the exit code and all that was printed."""
        inventory = self.place.folder / "inventory"
        inventory.write_text(
            f"here ansible_connection=local ansible_python_interpreter={self.python} "
            f"ansible_async_dir={self.place.folder / 'async'}\n"
        )
        book = self.place.folder / "play.json"
        book.write_text(json.dumps([{"hosts": "here", "gather_facts": False, **play}]))
        done = self.place.run(
            [self.bin / "ansible-playbook", "-i", inventory, book, *options],
            ANSIBLE_COLLECTIONS_PATH=str(self.place.wrapper),
            ANSIBLE_NOCOLOR="1",
            **environ,
        )
        return done.returncode, done.stdout + done.stderr

    def run(self, cases: list[Case], *, dry: bool) -> dict[str, Told]:
        """Run one play of all cases and read what each task returned."""
        answers = self.place.folder / "answers.json"
        answers.unlink(missing_ok=True)
        gathered = ", ".join(f"'{case.id}': {_variable(case)}" for case in cases)
        keep = {"content": "{{ {" + gathered + "} | to_json }}", "dest": str(answers)}
        play = {
            "tasks": [
                *(task(case, self.place.engine) for case in cases),
                {"ansible.builtin.copy": keep, "check_mode": False},
            ]
        }
        code, output = self.play(play, "--diff", *(["--check"] if dry else []))
        assert code == 0, output
        found = json.loads(answers.read_text())
        return {key: _told(result) for key, result in found.items()}


def task(case: Case, engine: Path) -> dict[str, Any]:
    """Return the task of a case."""
    options = {"declaration": case.declaration, "executable": str(engine)}
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


def _told(result: dict[str, Any]) -> Told:
    changes = frozenset(
        change(one["attribute"], one["before"], one["after"])
        for resource in result.get("resources") or []
        for one in resource["changes"]
    )
    return told(failed=result["failed"], changed=result["changed"], changes=changes)
