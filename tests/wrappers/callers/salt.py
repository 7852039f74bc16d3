"""Salt without a master: one state for each case."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.wrappers.callers.caller import Place
from tests.wrappers.table import Case, Change, Told, told


class Salt:
    """`salt-call --local state.apply`, with `test=True` and without."""

    name = "salt"
    names_versions = True

    def __init__(self, place: Place, bin_folder: Path) -> None:
        """Set up a minion in that place; the modules are put into `_states` and `_modules`."""
        self.place = place
        self.bin = bin_folder
        self.tree = place.folder / "states"
        self.pillar = place.folder / "pillar"
        for folder in (self.tree, self.pillar, place.folder / "etc"):
            folder.mkdir(parents=True)
        for kind in ("_states", "_modules"):
            shutil.copytree(place.wrapper / kind, self.tree / kind)
        (place.folder / "etc" / "minion").write_text(json.dumps(self._minion()))
        self.give({})
        code, _, output = self.call("saltutil.sync_all")
        assert code == 0, output

    def _minion(self) -> dict[str, Any]:
        root = self.place.folder / "minion"
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

    def give(self, pillar: dict[str, Any]) -> None:
        """Let the minion's pillar be this."""
        (self.pillar / "top.sls").write_text('#!json\n{"base": {"*": ["all"]}}')
        (self.pillar / "all.sls").write_text("#!json\n" + json.dumps(pillar))

    def call(self, function: str, *arguments: str) -> tuple[int, Any, str]:
        """Call one function; return the exit code, what it returned, and all that was printed."""
        words = [self.bin / "salt-call", "--local", "-c", self.place.folder / "etc"]
        words += ["--retcode-passthrough", "--out=json", function, *arguments]
        done = self.place.run(words)
        try:
            returned = json.loads(done.stdout)["local"]
        except (ValueError, KeyError):
            returned = None
        return done.returncode, returned, done.stdout + done.stderr

    def apply(self, states: dict[str, Any], *, dry: bool = False) -> dict[str, dict[str, Any]]:
        """Apply the states; return what each said, by its id and function."""
        (self.tree / "table.sls").write_text("#!json\n" + json.dumps(states))
        _, returned, output = self.call("state.apply", "table", f"test={dry}")
        assert isinstance(returned, dict), output
        tags = {tag: tag.split("_|-") for tag in returned}
        return {f"{parts[1]} {parts[0]}.{parts[3]}": returned[tag] for tag, parts in tags.items()}

    def run(self, cases: list[Case], *, dry: bool) -> dict[str, Told]:
        """Apply one state file of all cases."""
        self.give(
            {"secrets": {key: value for case in cases for key, value in case.secrets.items()}}
        )
        states = {case.id: state(case, self.place.engine) for case in cases}
        said = self.apply(states, dry=dry)
        return {case.id: _told(said[f"{case.id} converge.applied"], dry=dry) for case in cases}


def state(case: Case, engine: Path) -> dict[str, Any]:
    """Return the state of a case; secrets are named by their pillar keys."""
    options: list[dict[str, Any]] = [{"declaration": case.declaration}, {"executable": str(engine)}]
    if case.secrets:
        options.append({"secrets": {name: f"secrets:{name}" for name in case.secrets}})
    return {"converge.applied": options}


def _told(said: dict[str, Any], *, dry: bool) -> Told:
    changes: frozenset[Change] = frozenset(
        (attribute, sides["old"], sides["new"])
        for attributes in said["changes"].values()
        for attribute, sides in attributes.items()
    )
    # A dry run says None exactly when it would change something; a real one says so by changes.
    changed = said["result"] is None if dry else bool(changes)
    return told(failed=said["result"] is False, changed=changed, changes=changes)
