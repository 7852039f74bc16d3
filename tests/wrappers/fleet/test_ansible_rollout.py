"""Ansible over SSH: parallel rollouts to three hosts, with a killed host and a killed controller."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.wrappers.environments import ANSIBLE
from tests.wrappers.fleet.conftest import Fleet
from tests.wrappers.fleet.network import Host, wait_until
from tests.wrappers.fleet.rollout import installed_digest, live_generation, restart_count
from tests.wrappers.fleet.services import start_sshd

Recap = dict[str, dict[str, int]]


class Controller:
    """The machine that runs `ansible-playbook`."""

    def __init__(self, fleet: Fleet, programs: Path) -> None:
        """Write the inventory and settings, and start sshd on every host."""
        self.fleet = fleet
        self.programs = programs
        self.directory = fleet.net.controller.disk
        for host in fleet.hosts:
            start_sshd(host, fleet.key)
        common = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(fleet.key),
            "ansible_python_interpreter": str(programs / "python"),
            "ansible_remote_tmp": "/srv/tmp",
        }
        hosts = {host.name: {"ansible_host": host.address} for host in fleet.hosts}
        inventory = {"all": {"vars": common, "hosts": hosts}}
        (self.directory / "inventory.json").write_text(json.dumps(inventory))
        (self.directory / "inventory.yml").write_text(json.dumps(inventory))
        (self.directory / "ansible.cfg").write_text(
            f"[defaults]\nhost_key_checking = False\nforks = 3\ntimeout = 10\n"
            f"local_tmp = {self.directory / 'tmp'}\ncollections_path = {fleet.workspace.wrapper / 'ansible'}\n"
            "[ssh_connection]\nssh_args = -o ControlMaster=no -o UserKnownHostsFile=/dev/null "
            "-o ServerAliveInterval=1 -o ServerAliveCountMax=3\n"
        )

    def write(self, declared: Path, lock: Path) -> None:
        """Write the playbook of a release."""
        copies: list[dict[str, Any]] = [
            {
                "ansible.builtin.copy": {"src": str(file), "dest": f"/srv/etc/{file.name}"},
                "tags": "declare",
            }
            for file in (declared, lock)
        ]
        module = {
            "files": f"/srv/etc/{declared.name}",
            "executable": str(self.fleet.workspace.executable),
        }
        play: dict[str, Any] = {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [
                {
                    "ansible.builtin.file": {"path": "/srv/etc", "state": "directory"},
                    "tags": "declare",
                },
                *copies,
                {"converge.python.venv": module, "notify": "restart"},
            ],
            "handlers": [
                {"name": "restart", "ansible.builtin.shell": "echo restarted >> /srv/restarts"}
            ],
        }
        (self.directory / "play.yml").write_text(json.dumps([play]))

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start the play."""
        arguments: list[str | Path] = [
            self.programs / "ansible-playbook",
            "-i",
            "/srv/inventory.yml",
        ]

        return self.fleet.net.controller.start(
            [*arguments, "/srv/play.yml", *options],
            ANSIBLE_CONFIG="/srv/ansible.cfg",
            ANSIBLE_NOCOLOR="1",
            HOME="/srv",
            PATH=os.environ["PATH"] + ":/usr/sbin",
        )

    def play(self, *options: str) -> tuple[int, Recap]:
        """Run the play; return the exit code, and the counts that Ansible prints for each host."""
        log = self.directory / "log"
        before = log.stat().st_size if log.exists() else 0
        code = self.start(*options).wait()
        return code, _parse_recap(log.read_bytes()[before:].decode())


def _parse_recap(output: str) -> Recap:
    """Parse the last lines of a play: `host1 : ok=4 changed=2 …`."""
    recap: Recap = {}
    for line in output.partition("PLAY RECAP")[2].splitlines()[1:]:
        host, colon, counts = line.partition(" : ")
        if colon:
            recap[host.strip()] = {
                k: int(v) for k, v in (pair.split("=") for pair in counts.split())
            }
    assert recap, output
    return recap


@pytest.fixture
def controller(fleet: Fleet, tool: Callable[[str], Path]) -> Controller:
    """Ansible in the controller's namespace."""
    return Controller(fleet, tool(ANSIBLE))


def _is_building(host: Host) -> bool:
    """Return whether the host has started to build a generation."""
    store = host.disk / "venvs" / ".app"
    return store.exists() and any(store.glob("generations/*"))


def test_rollout_reaches_every_host_and_repeats_without_traffic(
    fleet: Fleet, controller: Controller, record: Callable[[str, object], None]
) -> None:
    """Three hosts converge in parallel from one lockfile. The second rollout downloads nothing."""
    controller.write(*fleet.write_declaration("1.0"))
    fleet.server.clear_log()
    # A dry run reads the declaration on the host, so copy it first.
    assert controller.play("--tags", "declare")[0] == 0
    code, planned = controller.play("--check")
    assert (code, [planned[host.name]["changed"] for host in fleet.hosts]) == (0, [1, 1, 1])
    code, recap = controller.play()
    assert (code, [recap[host.name]["changed"] for host in fleet.hosts]) == (0, [2, 2, 2])
    assert len({installed_digest(host) for host in fleet.hosts}) == 1
    assert [restart_count(host) for host in fleet.hosts] == [1, 1, 1]
    requests, sent = fleet.server.traffic()
    for host in fleet.hosts:
        record(
            f"rollout of {host.name}",
            f"{requests[host.address]} requests, {sent[host.address]} bytes",
        )
        assert requests[host.address] > 0
    fleet.server.clear_log()
    code, recap = controller.play()
    assert code == 0
    assert [recap[host.name]["changed"] for host in fleet.hosts] == [0, 0, 0]
    assert [restart_count(host) for host in fleet.hosts] == [1, 1, 1]
    requests, sent = fleet.server.traffic()
    record("no-op of three hosts", f"{requests.total()} requests, {sent.total()} bytes")
    assert requests.total() == 0


def test_rollout_converges_after_a_host_is_killed(fleet: Fleet, controller: Controller) -> None:
    """The other hosts finish and stay unchanged; their handlers don't run again."""
    controller.write(*fleet.write_declaration("1.0"))
    first, killed_host, last = fleet.hosts
    fleet.server.throttle(killed_host)
    running = controller.start()
    wait_until(
        "the throttled host builds and the others are done",
        lambda: (
            _is_building(killed_host) and bool(live_generation(first) and live_generation(last))
        ),
    )
    killed_host.power_off()
    assert running.wait() != 0
    assert live_generation(killed_host) is None
    fleet.server.throttle(None)
    start_sshd(killed_host, fleet.key)
    fleet.server.clear_log()
    code, recap = controller.play()
    assert code == 0
    assert recap[first.name]["changed"] == recap[last.name]["changed"] == 0
    assert len({installed_digest(host) for host in fleet.hosts}) == 1
    assert [restart_count(host) for host in fleet.hosts if host is not killed_host].count(0) == 0
    assert restart_count(killed_host) == 1
    assert set(fleet.server.traffic()[0]) <= {killed_host.address}
    assert [counts["changed"] for counts in controller.play()[1].values()] == [0, 0, 0]


def test_rollout_converges_after_controller_is_killed(fleet: Fleet, controller: Controller) -> None:
    """Each host has the old or the new release, and the new one after the next run."""
    controller.write(*fleet.write_declaration("1.0"))
    assert controller.play()[0] == 0
    old = installed_digest(fleet.hosts[0])
    controller.write(*fleet.write_declaration("2.0"))
    running = controller.start()
    wait_until(
        "a host builds the new release",
        lambda: any(_builds_second_generation(host) for host in fleet.hosts),
    )
    for pid in [pid for pid in fleet.net.controller.processes() if _is_ansible(pid)]:
        os.kill(pid, signal.SIGKILL)
    assert running.wait() != 0
    for host in fleet.hosts:
        assert live_generation(host) is not None
    code, _ = controller.play()
    assert code == 0
    [new] = {installed_digest(host) for host in fleet.hosts}
    assert new != old
    assert [counts["changed"] for counts in controller.play()[1].values()] == [0, 0, 0]


def _builds_second_generation(host: Host) -> bool:
    return len(list((host.disk / "venvs" / ".app").glob("generations/*"))) > 1


def _is_ansible(pid: int) -> bool:
    try:
        return b"ansible-playbook" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
