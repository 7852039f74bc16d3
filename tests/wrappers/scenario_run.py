"""Run the scenarios through one caller, on a directory of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.wrappers import drift
from tests.wrappers.callers.caller import Caller, Workspace
from tests.wrappers.scenarios import CallerReport, Case, Scenario, Table, load_scenarios
from tests.wrappers.sources import PYTHON, Sources

FileStats = dict[str, tuple[int, int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScenarioResults:
    """The reports of one caller: of a dry run, a real run, and a second real run."""

    root: Path
    planned: Mapping[str, CallerReport]
    applied: Mapping[str, CallerReport]
    repeated: Mapping[str, CallerReport]
    written_by_dry_run: frozenset[str]


def runnable_scenarios() -> list[Scenario]:
    """Return the scenarios that the current user can run."""
    return [
        scenario
        for scenario in load_scenarios()
        if scenario.requires != "root" or os.geteuid() == 0
    ]


def run_scenarios(
    caller: Caller,
    sources: Sources,
    root: Path,
    scenarios: Sequence[Scenario],
) -> ScenarioResults:
    """Run the caller three times.

    Args:
        caller: The tool under test.
        sources: The packages to install.
        root: The directory with the initial venvs of the scenarios.
        scenarios: The scenarios to run.

    Returns:
        The reports of a dry run, a real run, and a second real run.

    """
    cases = [_case(scenario, sources, root) for scenario in scenarios]
    before = _file_stats(root)
    planned = caller.run(cases, dry=True)
    after = _file_stats(root)
    return ScenarioResults(
        root=root,
        planned=planned,
        applied=caller.run(cases, dry=False),
        repeated=caller.run(cases, dry=False),
        written_by_dry_run=frozenset(
            path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
        ),
    )


def create_initial_state(
    plain: Workspace, sources: Sources, root: Path, scenarios: Sequence[Scenario]
) -> None:
    """Create all initial venvs with one run of the plain command, then make them drift.

    Args:
        plain: The workspace of the plain command.
        sources: The packages to install.
        root: The directory to create, with one venv for each scenario.
        scenarios: The scenarios.
    """
    root.mkdir(parents=True)
    venvs = {
        scenario.id: _complete(scenario.id, scenario.initial, sources, root)
        for scenario in scenarios
        if scenario.initial is not None
    }
    arguments: list[str | Path] = [plain.executable, "apply", "-", "--json", "--quiet"]
    completed = plain.run(arguments, stdin=json.dumps({"venv": venvs}))
    resources = json.loads(completed.stdout)["resources"]
    errors = [resource["error"] for resource in resources if resource["error"]]
    assert not errors, errors
    for scenario in scenarios:
        if scenario.drift:
            getattr(drift, scenario.drift)(root / scenario.id)


def _case(scenario: Scenario, sources: Sources, root: Path) -> Case:
    table = _complete(scenario.id, scenario.declared, sources, root)
    secrets = sources.fill(dict(scenario.secrets), root)
    assert isinstance(secrets, dict)
    return Case(id=scenario.id, declaration={"venv": {scenario.id: table}}, secrets=secrets)


def _complete(name: str, table: Table, sources: Sources, root: Path) -> Table:
    """Return the table with the keys that all venvs share."""
    common: Table = {"path": str(root / name)}
    if table.get("state") != "absent":
        common |= {"python": PYTHON, "find-links": ["{wheels}"], "no-index": True}
    filled = sources.fill(common | table, root)
    assert isinstance(filled, dict)
    return {key: value for key, value in filled.items() if value != []} | (
        {"packages": []} if table.get("packages") == [] else {}
    )


def _file_stats(root: Path) -> FileStats:
    """Return the modification time and size of each entry below `root`."""
    return {str(path): (stat.st_mtime_ns, stat.st_size) for path, stat in _walk(root)}


def _walk(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for directory, directories, files in os.walk(root):
        for name in [*directories, *files]:
            path = Path(directory, name)
            yield path, path.lstat()


def installed(venv: Path) -> dict[str, str]:
    """Return the installed versions by package name, from the names of the metadata directories."""
    if not venv.exists():
        return {}
    stems = [path.name.removesuffix(".dist-info") for path in venv.resolve().rglob("*.dist-info")]
    return {name.lower(): version for name, _, version in (stem.partition("-") for stem in stems)}
