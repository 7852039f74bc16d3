"""A venv that Ansible's own `pip` module made is imported without a change of versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.integration.existing_venvs import REQUIREMENTS, VERSIONS, make_wheels, site_of
from tests.wrappers.callers.ansible import Ansible
from tests.wrappers.callers.caller import Workspace
from tests.wrappers.environments import ANSIBLE
from tests.wrappers.sources import PYTHON


def test_venv_of_the_pip_module_is_imported(
    make_workspace: Callable[[str], Workspace], tool: Callable[[str], Path]
) -> None:
    ansible = Ansible(make_workspace("ansible"), tool(ANSIBLE), ANSIBLE)
    directory = ansible.workspace.directory
    venv, wheels = directory / "venvs" / "app", directory / "wheels"
    make_wheels(wheels)
    options = {
        "name": list(REQUIREMENTS),
        "virtualenv": str(venv),
        "virtualenv_command": f"{PYTHON} -m venv",
        "extra_args": f"--no-compile --no-index --find-links {wheels}",
    }
    code, output = ansible.play({"tasks": [{"name": "app", "ansible.builtin.pip": options}]})
    assert code == 0, output
    (site_of(venv) / "alpha" / "settings.py").write_text("DEBUG = True\n")

    def converge(*arguments: str) -> dict[str, object]:
        completed = ansible.workspace.run([ansible.workspace.executable, *arguments, "--json"])
        assert completed.returncode == 0, completed.stdout + completed.stderr
        document: dict[str, object] = json.loads(completed.stdout)
        return document

    places = ("--no-index", "--find-links", str(wheels))
    imported = json.dumps(converge("import", str(venv), "--to", str(directory), *places))
    for name, version in VERSIONS.items():
        assert f'"name": "{name}", "version": "{version}"' in imported
    assert '"edited": ["lib/' in imported
    declaration = str(directory / "converge.toml")
    assert '"attribute": "package.' not in json.dumps(converge("plan", declaration))
    assert converge("adopt", declaration, "app")["changed"] is True
    assert converge("apply", declaration)["changed"] is False
