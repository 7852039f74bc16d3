"""Ansible's `pip` module, in one play on localhost without gathering facts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Case, argv
from tests.bench.peers import pip
from tests.bench.workspace import Workspace

NAME = "Ansible"
PACKAGE = "ansible-core==2.19.14"


def no_op(workspace: Workspace, services: Sequence[str]) -> Case:
    """Return the case of a play on environments with nothing to do."""
    return _case(workspace, "no-op", pip.installed(workspace, services), services, "changed=0")


def cold(workspace: Workspace, services: Sequence[str]) -> Case:
    """Return the case of a play that creates the environments."""
    directory = workspace.make_directory("ansible") / "cold"
    venvs = [directory / f"{number:03}" for number in range(len(services))]
    case = _case(workspace, "cold", venvs, services, f"changed={len(services)}")
    return Case(
        name=case.name,
        commands=case.commands,
        expected_output=case.expected_output,
        environment=case.environment,
        before=lambda: shutil.rmtree(directory, ignore_errors=True),
    )


def _case(
    workspace: Workspace,
    name: str,
    venvs: Sequence[Path],
    services: Sequence[str],
    expected_output: str,
) -> Case:
    tools = pip.tool(workspace, PACKAGE)
    offline = "--no-deps --no-index --find-links"
    wheels = pip.wheelhouse(workspace, services)
    tasks = [
        {
            "name": venv.name,
            "ansible.builtin.pip": {
                "requirements": str(workspace.lock(service).requirements),
                "virtualenv": str(venv),
                "virtualenv_command": str(tools / "virtualenv"),
                "virtualenv_python": str(workspace.python),
                "extra_args": f"{offline} {wheels}",
            },
        }
        for venv, service in zip(venvs, services, strict=True)
    ]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    playbook = workspace.make_directory("ansible") / f"{name}.json"  # JSON is YAML
    playbook.write_text(json.dumps([play], indent=1))
    variables = {
        "ANSIBLE_HOME": str(workspace.directory / "ansible" / "home"),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_PYTHON_INTERPRETER": str(tools / "python"),
        "PATH": f"{tools}:/usr/bin:/bin",
    }
    command = argv(tools / "ansible-playbook", "--inventory", "localhost,", playbook)
    return Case(
        name=NAME, commands=[command], expected_output=expected_output, environment=variables
    )
