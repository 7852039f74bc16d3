"""The plain command: the measure of the others."""

from __future__ import annotations

import json

from tests.wrappers.callers.caller import Place
from tests.wrappers.table import Case, Told, change, told


class Command:
    """`converge plan -` and `converge apply -`."""

    name = "command"
    names_versions = True

    def __init__(self, place: Place) -> None:
        """Work in that place."""
        self.place = place

    def run(self, cases: list[Case], *, dry: bool) -> dict[str, Told]:
        """Run the command once for each case."""
        return {case.id: self._one(case, "plan" if dry else "apply") for case in cases}

    def _one(self, case: Case, verb: str) -> Told:
        done = self.place.run(
            [self.place.engine, verb, "-", "--json", "--quiet"],
            give=json.dumps(case.declaration),
            **case.secrets,
        )
        document = json.loads(done.stdout)
        changes = frozenset(
            change(one["attribute"], one["before"], one["after"])
            for resource in document["resources"]
            for one in resource["changes"]
        )
        return told(failed=document["failed"], changed=document["changed"], changes=changes)
