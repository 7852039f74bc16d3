"""Each tool applies exactly what its dry run reports, for every scenario."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.wrappers.callers.ansible import Ansible
from tests.wrappers.callers.caller import Caller, Workspace, clean_environment
from tests.wrappers.callers.command import Command
from tests.wrappers.callers.dsc import Dsc
from tests.wrappers.callers.pyinfra import Pyinfra
from tests.wrappers.callers.salt import Salt
from tests.wrappers.drift import site_packages
from tests.wrappers.environments import ANSIBLE, TOOLS
from tests.wrappers.scenario_run import (
    ScenarioResults,
    create_initial_state,
    installed,
    run_scenarios,
    runnable_scenarios,
)
from tests.wrappers.scenarios import Scenario, load_scenarios
from tests.wrappers.sources import Sources

OTHER_ANSIBLES = [key for key in TOOLS if key.startswith("ansible") and key != ANSIBLE]
CALLERS = (
    *("command", ANSIBLE, "salt", "pyinfra", "dsc"),
    *(pytest.param(key, marks=pytest.mark.extended) for key in OTHER_ANSIBLES),
)

HOSTILE_ENVIRONMENT = {
    "PIP_INDEX_URL": "http://127.0.0.1:9/hostile",
    "PIP_TARGET": "/nowhere/hostile",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_NO_BINARY": ":all:",
    "UV_INDEX_URL": "http://127.0.0.1:9/hostile",
    "UV_DEFAULT_INDEX": "http://127.0.0.1:9/hostile",
    "UV_PROJECT_ENVIRONMENT": "/nowhere/hostile",
    "UV_PYTHON": "/nowhere/hostile",
    "VIRTUAL_ENV": "/nowhere/hostile",
}
"""Every tool except the plain command runs with these variables and a restrictive umask."""

Run = tuple[Caller, ScenarioResults]

SCENARIOS = pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(
            scenario, id=scenario.id, marks=() if scenario.sample else pytest.mark.extended
        )
        for scenario in runnable_scenarios()
    ],
)


def _caller(name: str, workspace: Workspace, tool: Callable[[str], Path]) -> Caller:
    if name.startswith("ansible"):
        return Ansible(workspace, tool(name), name)
    if name == "salt":
        return Salt(workspace, tool(name))
    if name == "pyinfra":
        return Pyinfra(workspace, tool(name))
    return Dsc(workspace) if name == "dsc" else Command(workspace)


def _selected_scenarios(session: pytest.Session) -> list[Scenario]:
    """Return the scenarios of the selected tests: each one takes time."""
    callspecs = (getattr(item, "callspec", None) for item in session.items)
    parameters = (callspec.params.get("scenario") for callspec in callspecs if callspec)
    selected = {scenario.id for scenario in parameters if isinstance(scenario, Scenario)}
    return [
        scenario for scenario in runnable_scenarios() if not selected or scenario.id in selected
    ]


@pytest.fixture(scope="module")
def initial_state(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    executable: Path,
    wrappers: Path,
    sources: Sources,
) -> Callable[[], Path]:
    """A function that returns a directory with the initial venvs, at the same path in each call.

    The venvs contain absolute paths, and are built once.
    """
    base = tmp_path_factory.mktemp("scenarios")
    directory, saved = base / "current", base / "saved"
    directory.mkdir()
    environ = clean_environment(directory, executable.parent)
    plain = Workspace(
        directory=directory, executable=executable, wrapper=wrappers / "command", environ=environ
    )
    scenarios = _selected_scenarios(request.session)
    create_initial_state(plain, sources, directory / "venvs", scenarios)
    directory.rename(saved)

    def restore() -> Path:
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run(["cp", "--archive", saved, directory], check=True)  # With owners.
        return directory

    return restore


@pytest.fixture(scope="module", params=CALLERS)
def run(
    request: pytest.FixtureRequest,
    initial_state: Callable[[], Path],
    executable: Path,
    wrappers: Path,
    sources: Sources,
    tool: Callable[[str], Path],
) -> Run:
    """The caller, and its reports on the selected scenarios."""
    name = request.param
    directory = initial_state()
    environ = clean_environment(directory, executable.parent)
    wrapper = wrappers / name.partition("-")[0]
    workspace = Workspace(
        directory=directory, executable=executable, wrapper=wrapper, environ=environ
    )
    if name != "command":
        hostile = {"PYTHONPATH": str(_recording_pythonpath(directory / "hostile"))}
        workspace = replace(workspace, environ=environ | HOSTILE_ENVIRONMENT | hostile, umask=0o077)
    caller = _caller(name, workspace, tool)
    scenarios = _selected_scenarios(request.session)
    return caller, run_scenarios(caller, sources, directory / "venvs", scenarios)


def _recording_pythonpath(directory: Path) -> Path:
    """Create a PYTHONPATH directory that records the prefix of each interpreter that reads it."""
    directory.mkdir()
    log = str(directory / "prefixes")
    lines = ["import sys", f"open({log!r}, 'a').write(sys.prefix + '\\n')"]
    (directory / "sitecustomize.py").write_text("\n".join(lines) + "\n")
    return directory


@SCENARIOS
def test_dry_run_reports_the_expected_outcome(run: Run, scenario: Scenario) -> None:
    """The dry run reports the outcome, and each change that the scenario lists."""
    caller, results = run
    planned = results.planned[scenario.id]
    assert planned.outcome == scenario.outcome
    if caller.reports_versions:
        expected = {(name, *values) for name, values in scenario.changes.items()}
        assert expected <= planned.changes


@SCENARIOS
def test_apply_matches_the_dry_run(run: Run, scenario: Scenario) -> None:
    """The real run reports the same outcome and the same changes."""
    _, results = run
    assert results.applied[scenario.id] == results.planned[scenario.id]


@SCENARIOS
def test_second_run_changes_nothing(run: Run, scenario: Scenario) -> None:
    """After a change, the next run is a no-op; a failure is reported again."""
    _, results = run
    expected = "failed" if scenario.outcome == "failed" else "unchanged"
    assert results.repeated[scenario.id].outcome == expected
    assert not results.repeated[scenario.id].changes


@SCENARIOS
def test_disk_matches_the_declaration(run: Run, scenario: Scenario) -> None:
    """Versions and files match the scenario, and all users can read them."""
    _, results = run
    venv = results.root / scenario.id
    versions = installed(venv)
    for name, version in scenario.installed.items():
        assert versions.get(name, "") == version
    for path, content in scenario.files.items():
        assert (site_packages(venv) / path).read_text() == content
    if scenario.outcome != "failed" and venv.exists():
        private = [path for path in venv.resolve().rglob("*") if not path.lstat().st_mode & 0o004]
        assert private == []


def test_dry_run_writes_nothing(run: Run) -> None:
    """A dry run doesn't create, delete, or modify any file next to the venvs."""
    _, results = run
    assert not results.written_by_dry_run


def test_venv_ignores_the_environment_of_the_tool(run: Run) -> None:
    """No interpreter of a declared venv reads the PYTHONPATH of the tool."""
    _, results = run
    log = results.root.parent / "hostile" / "prefixes"
    if log.exists():
        prefixes = set(log.read_text().splitlines())
        assert not {prefix for prefix in prefixes if prefix.startswith(str(results.root))}


def test_venv_files_belong_to_the_current_user(run: Run) -> None:
    """Every file of a live generation belongs to the user that ran the tool."""
    _, results = run
    venvs = [venv.resolve() for venv in results.root.iterdir() if venv.is_symlink()]
    paths = [path for venv in venvs for path in venv.rglob("*")]
    assert paths
    assert [path for path in paths if path.lstat().st_uid != os.geteuid()] == []


def test_sample_covers_every_outcome() -> None:
    """The sample includes a creation, a change, a no-op run, a removal, and a failure."""
    sample = [scenario for scenario in load_scenarios() if scenario.sample]
    assert {scenario.outcome for scenario in sample} == {"changed", "unchanged", "failed"}
    assert {scenario.initial is None for scenario in sample} == {True, False}
    assert any(scenario.declared.get("state") == "absent" for scenario in sample)
    assert any(scenario.secrets for scenario in sample)
