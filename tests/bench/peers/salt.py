"""Salt's `virtualenv.managed` state, masterless."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Case, argv
from tests.bench.peers import pip
from tests.bench.workspace import Workspace

NAME = "Salt"
PACKAGE = "salt==3008.1"


def no_op(workspace: Workspace, services: Sequence[str]) -> Case:
    """Return the case of environments with nothing to do."""
    count = f"Succeeded: {len(services)}\n"
    return _case(workspace, "noop", pip.installed(workspace, services), services, count)


def cold(workspace: Workspace, service: str) -> Case:
    """Return the case of a state that creates the environment."""
    venv = workspace.make_directory("salt") / "cold"
    case = _case(workspace, "cold", [venv], [service], "Succeeded: 1 (changed=1)")
    return Case(
        name=case.name,
        commands=case.commands,
        expected_output=case.expected_output,
        environment=case.environment,
        before=lambda: shutil.rmtree(venv, ignore_errors=True),
    )


def _case(
    workspace: Workspace,
    name: str,
    venvs: Sequence[Path],
    services: Sequence[str],
    expected_output: str,
) -> Case:
    tools = pip.tool(workspace, PACKAGE)
    directory = workspace.make_directory("salt")
    states = {
        str(venv): {
            "virtualenv.managed": [
                {"requirements": str(workspace.lock(service).requirements)},
                {"venv_bin": str(tools / "virtualenv")},
                {"python": str(workspace.python)},
                {"no_deps": True},
            ]
        }
        for venv, service in zip(venvs, services, strict=True)
    }
    (directory / f"{name}.sls").write_text(json.dumps(states, indent=1))
    minion = {
        "file_client": "local",
        "file_roots": {"base": [str(directory)]},
        "id": "bench",
        "root_dir": str(directory / "root"),
        "grains_cache": True,
    }
    (directory / "minion").write_text(json.dumps(minion))
    variables = {
        # The state has no arguments for these.
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(pip.wheelhouse(workspace, services)),
        "PATH": f"{tools}:/usr/bin:/bin",
    }
    command = argv(tools / "salt-call", "--local", "--config-dir", directory, "state.apply", name)
    return Case(
        name=NAME, commands=[command], expected_output=expected_output, environment=variables
    )
