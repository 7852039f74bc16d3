"""Ansible's `pip` module, one play over localhost, without gathering facts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Case, argv
from tests.bench.peers import pip
from tests.bench.setting import Setting

NAME = "Ansible"
PACKAGE = "ansible-core==2.19.14"


def no_op(setting: Setting, services: Sequence[str]) -> Case:
    """Run the play over environments in which nothing is to be done."""
    return _case(setting, "no-op", pip.filled(setting, services), services, "changed=0")


def cold(setting: Setting, service: str) -> Case:
    """Run the play with no environment there."""
    venv = setting.make_folder("ansible") / "cold"
    case = _case(setting, "cold", [venv], [service], "changed=1")
    return Case(
        name=case.name,
        commands=case.commands,
        says=case.says,
        environment=case.environment,
        before=lambda: shutil.rmtree(venv, ignore_errors=True),
    )


def _case(
    setting: Setting, name: str, venvs: Sequence[Path], services: Sequence[str], says: str
) -> Case:
    tools = pip.tool(setting, PACKAGE)
    offline = "--no-deps --no-index --find-links"
    tasks = [
        {
            "name": venv.name,
            "ansible.builtin.pip": {
                "requirements": str(setting.lock(service).requirements),
                "virtualenv": str(venv),
                "virtualenv_command": str(tools / "virtualenv"),
                "virtualenv_python": str(setting.python),
                "extra_args": f"{offline} {pip.wheelhouse(setting, service)}",
            },
        }
        for venv, service in zip(venvs, services, strict=True)
    ]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    playbook = setting.make_folder("ansible") / f"{name}.json"  # JSON is YAML
    playbook.write_text(json.dumps([play], indent=1))
    variables = {
        "ANSIBLE_HOME": str(setting.folder / "ansible" / "home"),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_PYTHON_INTERPRETER": str(tools / "python"),
        "PATH": f"{tools}:/usr/bin:/bin",
    }
    command = argv(tools / "ansible-playbook", "--inventory", "localhost,", playbook)
    return Case(name=NAME, commands=[command], says=says, environment=variables)
