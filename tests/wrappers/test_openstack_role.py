"""The role for OpenStack-Ansible, called as a service role calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.wrappers.callers.ansible import Ansible
from tests.wrappers.callers.caller import Workspace
from tests.wrappers.environments import ANSIBLE
from tests.wrappers.sources import PYTHON, Sources

TOOL = "openstack-ansible"
RESTART = "echo restarted >> {{ playbook_dir }}/restarts"


class Service:
    """A service whose role installs its venv with the role, and restarts it after a change."""

    def __init__(self, ansible: Ansible, sources: Sources) -> None:
        self.ansible = ansible
        self.directory = ansible.workspace.directory
        self._variables: dict[str, Any] = {
            "venv_install_destination_path": str(self.directory / "venvs" / "web-1.0"),
            "venv_install_tool": "alpha",
            "venv_build_requirements": [],
            "venv_pip_packages": ["gamma"],
            "venv_build_constraints": ["alpha<2"],
            "venv_default_pip_install_args": f"--no-index --find-links {sources.wheels} "
            "--trusted-host mirror.example --no-build-isolation",
            "venv_python_executable": PYTHON,
            "venv_facts_when_changed": [
                {"section": "web", "option": "need_service_restart", "value": True}
            ],
            "venv_converge_install": False,
            "venv_converge_executable": str(ansible.workspace.executable),
            "venv_converge_directory": str(self.directory / "etc"),
            "venv_converge_state": str(self.directory / "pending"),
            "venv_converge_facts": str(self.directory / "facts"),
        }
        role = self.directory / "roles" / "os_web"
        (role / "tasks").mkdir(parents=True)
        (role / "handlers").mkdir()
        include = {"name": "python_venv_build"}
        tasks = [{"ansible.builtin.import_role": include}]
        (role / "tasks" / "main.yml").write_text(json.dumps(tasks))
        handler = {"name": "Restart", "ansible.builtin.shell": "{{ restart }}"}
        (role / "handlers" / "main.yml").write_text(
            json.dumps([handler | {"listen": "venv changed"}])
        )

    def play(self, *options: str, restart: str = RESTART, **variables: Any) -> tuple[int, str]:
        """Run the role of the service. Return the exit code and the output."""
        play = {"roles": ["os_web"], "vars": {**self._variables, "restart": restart, **variables}}
        return self.ansible.play(play, *options, ANSIBLE_ROLES_PATH=self._roles())

    def apply(self, **variables: Any) -> int:
        """Run the role of the service, which must succeed. Return the number of changed tasks."""
        code, output = self.play(**variables)
        assert code == 0, output
        return int(output.rpartition("changed=")[2].split()[0])

    def start(self, **variables: Any) -> subprocess.Popen[bytes]:
        """Start the role of the service in a process group of its own."""
        play = {"hosts": "here", "gather_facts": False, "roles": ["os_web"]}
        book = self.directory / "started.json"
        book.write_text(json.dumps([play | {"vars": {**self._variables, **variables}}]))
        return subprocess.Popen(
            [self.ansible.bin / "ansible-playbook", "-i", self.directory / "inventory", book],
            env={**self.ansible.workspace.environ, "ANSIBLE_ROLES_PATH": self._roles()},
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def restarts(self) -> int:
        """Return how often the service was restarted."""
        log = self.directory / "restarts"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def version(self, package: str) -> str:
        """Return the version of an installed package."""
        (metadata,) = (self.directory / "venvs" / "web-1.0").glob(f"lib/*/*/{package}-*.dist-info")
        return metadata.name.removesuffix(".dist-info").partition("-")[2]

    def _roles(self) -> str:
        return f"{self.directory / 'roles'}:{self.ansible.workspace.wrapper}"


@pytest.fixture
def service(
    make_workspace: Callable[[str], Workspace], tool: Callable[[str], Path], sources: Sources
) -> Service:
    """Return the service, with the newest Ansible."""
    return Service(Ansible(make_workspace(TOOL), tool(ANSIBLE), ANSIBLE), sources)


def test_role_installs_the_packages_and_notifies_once(service: Service) -> None:
    assert service.apply() > 0
    assert (service.version("alpha"), service.version("gamma")) == ("1.0", "1.0")
    facts = service.directory / "facts" / "openstack_ansible.fact"
    assert facts.read_text() == "[web]\nneed_service_restart = True\n\n"
    assert service.restarts() == 1

    facts.write_text("[web]\nneed_service_restart = False\nother = 1\n")
    assert service.apply() == 0
    assert service.restarts() == 1
    assert "need_service_restart = False" in facts.read_text()

    assert service.apply(venv_build_constraints=["alpha<3"]) > 0
    assert service.version("alpha") == "2.1.0+cpu"
    assert service.restarts() == 2
    assert facts.read_text() == "[web]\nneed_service_restart = True\nother = 1\n\n"


@pytest.mark.extended
def test_role_repeats_a_restart_that_failed(service: Service) -> None:
    code, output = service.play(restart="false")
    assert code != 0, output
    assert service.apply() > 0
    assert service.restarts() == 1
    assert service.apply() == 0


def test_role_restarts_after_a_kill_before_the_handler(service: Service) -> None:
    service.apply()
    started = service.directory / "started"
    process = service.start(
        restart=f"touch {started}; sleep 60", venv_build_constraints=["alpha<3"]
    )
    while not started.exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert service.version("alpha") == "2.1.0+cpu"

    assert service.apply(venv_build_constraints=["alpha<3"]) > 0
    assert service.restarts() == 2
    assert service.apply(venv_build_constraints=["alpha<3"]) == 0


@pytest.mark.extended
def test_role_in_check_mode_changes_nothing(service: Service) -> None:
    code, output = service.play("--check", "--diff")
    assert code == 0, output
    assert "+alpha==1.0" in output
    assert not (service.directory / "etc").exists()
    assert not (service.directory / "venvs").exists()


@pytest.mark.extended
@pytest.mark.parametrize(
    ("variables", "name", "expected"),
    [
        ({"venv_python_executable": "python3.11"}, "_venv_python", "3.11"),
        ({"venv_python_executable": "python3"}, "_venv_python", "3"),
        ({"venv_python_executable": "/opt/python"}, "_venv_python", "/opt/python"),
        (
            {"venv_pip_packages": ["git+https://git.example/web@abc#egg=web", "b", ""]},
            "_venv_packages",
            ["alpha", "b", "web @ git+https://git.example/web@abc"],
        ),
        (
            {"venv_pip_install_args": "--index-url=https://a.example/simple -f /w --pre"},
            "_venv_index_keys",
            {"find-links": ["/w"], "index-url": "https://a.example/simple"},
        ),
        (
            {
                "_venv_distro_files": {
                    "stdout_lines": [
                        "/usr/lib/python3/dist-packages/libvirt.py",
                        "/usr/lib/python3/dist-packages/libvirtmod.cpython-311-x86_64-linux-gnu.so",
                        "/usr/lib/python3/dist-packages/libvirt_python-9.0.0.egg-info/PKG-INFO",
                        "/usr/lib/python3/dist-packages/guestfs/__init__.py",
                        "/usr/share/doc/python3-libvirt/copyright",
                    ]
                }
            },
            "_venv_modules",
            ["guestfs", "libvirt", "libvirtmod"],
        ),
    ],
)
def test_role_translates_the_variables(
    service: Service, variables: dict[str, Any], name: str, expected: object
) -> None:
    roles = service.ansible.workspace.wrapper / "python_venv_build"
    shown = service.directory / "shown.json"
    copy = {"content": "{{ " + name + " | to_json }}", "dest": str(shown)}
    defaults: dict[str, Any] = {
        "venv_default_pip_packages": [],
        "venv_build_requirements_extra": [],
    }
    play = {
        "vars": {
            **defaults,
            "venv_install_tool": "alpha",
            "venv_build_requirements": [],
            "venv_pip_packages": [],
            "venv_default_pip_install_args": "",
            "venv_pip_install_args": "",
            **variables,
        },
        "vars_files": [str(roles / "vars" / "main.yml")],
        "tasks": [{"ansible.builtin.copy": copy}],
    }
    code, output = service.ansible.play(play)
    assert code == 0, output
    assert json.loads(shown.read_text()) == expected
