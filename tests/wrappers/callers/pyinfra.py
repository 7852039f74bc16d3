"""pyinfra on this machine: one operation for each case."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.wrappers.callers.caller import Place
from tests.wrappers.table import Case, Told, change, told

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
        executable={engine!r},
        _ignore_errors=True,
    )
"""


class Pyinfra:
    """`pyinfra @local --dry` and `pyinfra @local --yes`."""

    name = "pyinfra"
    names_versions = True

    def __init__(self, place: Place, bin_folder: Path) -> None:
        """Work in that place with the tool's programs in `bin_folder`."""
        self.place = place
        self.bin = bin_folder

    def deploy(self, text: str, *options: str) -> tuple[int, Any, str]:
        """Run a deploy; return the exit code, the JSON on its stdout, and what it logged."""
        script = self.place.folder / "deploy.py"
        script.write_text(text)
        source = self.place.wrapper / "pyinfra-converge" / "src"
        poisoned = self.place.environ.get("PYTHONPATH")
        path = f"{source}:{poisoned}" if poisoned else str(source)
        words = [self.bin / "pyinfra", "@local", script, "--json", *options]
        done = self.place.run(words, PYTHONPATH=path, COLUMNS="500")
        try:
            document = json.loads(done.stdout)
        except ValueError:
            document = None
        return done.returncode, document, done.stderr

    def run(self, cases: list[Case], *, dry: bool) -> dict[str, Told]:
        """Run one deploy of all cases."""
        listed = self.place.folder / "cases.json"
        listed.write_text(
            json.dumps(
                [
                    {"id": c.id, "declaration": c.declaration, "secrets": dict(c.secrets)}
                    for c in cases
                ]
            )
        )
        text = _DEPLOY.format(cases=str(listed), engine=str(self.place.engine))
        _, document, log = self.deploy(text, "--dry" if dry else "--yes")
        assert document is not None, log
        changed = _changed(document, dry=dry)
        return {case.id: _told(case.id, case.id in changed, log) for case in cases}


def _changed(document: dict[str, Any], *, dry: bool) -> set[str]:
    """Return the names of the operations that change something, as pyinfra itself counts."""
    if dry:
        return {one["name"] for one in document["plan"] if one["hosts_with_change"]}
    return {one["name"] for one in document["results"]["operations"] if one["success"]}


def _told(name: str, changed: bool, log: str) -> Told:
    lines = re.findall(rf"venv\.{re.escape(name)}: (.*)", log)
    moves = [re.fullmatch(r"(\S+) (.*) -> (.*?)\s*", line) for line in lines]
    changes = frozenset(
        change(move[1], *("" if side == "absent" else side for side in (move[2], move[3])))
        for move in moves
        if move
    )
    # In a dry run an operation that cannot succeed is a line of error, and counts as a change.
    return told(failed=None in moves, changed=changed, changes=changes)
