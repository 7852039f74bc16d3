"""DSC: what `dsc` itself does, by hand, since it is not to be had as a package.

It reads the manifest, runs the method's executable with one JSON object on its standard input, and
reads JSON lines. Here the same is done, with nothing assumed but the manifest.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from tests.wrappers.callers.caller import Place
from tests.wrappers.table import Case, Change, Told, told

_ABOUT = {"state"}


class Dsc:
    """`whatIf` and `set` of the resource."""

    name = "dsc"
    names_versions = False

    def __init__(self, place: Place) -> None:
        """Work in that place."""
        self.place = place
        manifest = place.wrapper / "converge.dsc.resource.json"
        self.manifest: dict[str, Any] = json.loads(manifest.read_text())

    def call(
        self, method: str, properties: dict[str, Any] | None, **environ: str
    ) -> tuple[subprocess.CompletedProcess[str], list[Any]]:
        """Call one method as the manifest says; return the process and its JSON lines."""
        how = self.manifest[method]
        done = self.place.run(
            [self.place.wrapper / how["executable"], *how["args"]],
            give=json.dumps(properties) if properties is not None else "",
            **{"CONVERGE_EXECUTABLE": str(self.place.engine), **environ},
        )
        return done, [json.loads(line) for line in done.stdout.splitlines()]

    def run(self, cases: list[Case], *, dry: bool) -> dict[str, Told]:
        """Call the method once for each case."""
        return {case.id: self._one(case, "whatIf" if dry else "set") for case in cases}

    def _one(self, case: Case, method: str) -> Told:
        done, lines = self.call(method, properties(case), **case.secrets)
        if done.returncode:
            return told(failed=True, changed=False, changes=frozenset())
        _, differ = lines
        changes: frozenset[Change] = frozenset((name, "", "") for name in differ)
        return told(failed=False, changed=bool(differ), changes=changes)


def properties(case: Case) -> dict[str, Any]:
    """Return a case's one environment as properties of the resource."""
    [(name, table)] = case.declaration["venv"].items()
    answer = {_camel(key): value for key, value in table.items() if key not in _ABOUT}
    answer["name"] = name
    if table.get("state") == "absent":
        answer["_exist"] = False
    return answer


def _camel(name: str) -> str:
    return re.sub("-([a-z])", lambda match: match.group(1).upper(), name)
