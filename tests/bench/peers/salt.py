"""Salt's `virtualenv.managed` state, masterless."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Case, argv
from tests.bench.peers import pip
from tests.bench.setting import Setting

NAME = "Salt"
PACKAGE = "salt==3008.1"


def no_op(setting: Setting, services: Sequence[str]) -> Case:
    """Apply the state to environments in which nothing is to be done."""
    count = f"Succeeded: {len(services)}\n"
    return _case(setting, "noop", pip.filled(setting, services), services, count)


def cold(setting: Setting, service: str) -> Case:
    """Apply the state with no environment there."""
    venv = setting.make_folder("salt") / "cold"
    case = _case(setting, "cold", [venv], [service], "Succeeded: 1 (changed=1)")
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
    folder = setting.make_folder("salt")
    states = {
        str(venv): {
            "virtualenv.managed": [
                {"requirements": str(setting.lock(service).requirements)},
                {"venv_bin": str(tools / "virtualenv")},
                {"python": str(setting.python)},
                {"no_deps": True},
            ]
        }
        for venv, service in zip(venvs, services, strict=True)
    }
    (folder / f"{name}.sls").write_text(json.dumps(states, indent=1))
    minion = {
        "file_client": "local",
        "file_roots": {"base": [str(folder)]},
        "id": "bench",
        "root_dir": str(folder / "root"),
        "grains_cache": True,
    }
    (folder / "minion").write_text(json.dumps(minion))
    wheels = [str(pip.wheelhouse(setting, service)) for service in sorted(set(services))]
    variables = {
        # The state has no argument for these two.
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": " ".join(wheels),
        "PATH": f"{tools}:/usr/bin:/bin",
    }
    command = argv(tools / "salt-call", "--local", "--config-dir", folder, "state.apply", name)
    return Case(name=NAME, commands=[command], says=says, environment=variables)
