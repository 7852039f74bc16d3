"""A real salt-master with three minions: a rollout during which a minion is killed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.wrappers.fleet.conftest import Fleet
from tests.wrappers.fleet.network import Host, wait_until
from tests.wrappers.fleet.rollout import installed_digest, live_generation, restart_count

Answers = dict[str, dict[str, dict[str, Any]]]


class Master:
    """The machine that runs `salt-master` and `salt`."""

    def __init__(self, fleet: Fleet, programs: Path) -> None:
        """Start the master, then a minion on every host, and wait until all of them respond."""
        self.fleet = fleet
        self.programs = programs
        self.disk = fleet.net.controller.disk
        self.tree = self.disk / "states"
        shutil.copytree(fleet.workspace.wrapper / "salt", self.tree)
        _configure(self.disk, "master", self._settings())
        fleet.net.controller.start([programs / "salt-master", "-c", "/srv/etc"])
        for host in fleet.hosts:
            self.start_minion(host)

    def _settings(self) -> dict[str, Any]:
        return {
            "interface": self.fleet.net.controller.address,
            "auto_accept": True,
            "file_roots": {"base": ["/srv/states"]},
            "worker_threads": 3,
            "user": "root",
        }

    def start_minion(self, host: Host) -> None:
        """Start the minion, also after its host was powered off."""
        settings = {"master": self.fleet.net.controller.address, "id": host.name, "user": "root"}
        _configure(host.disk, "minion", settings)
        # A power-off clears /run. With a stale PID file, a minion would be considered running.
        shutil.rmtree(host.disk / "run", ignore_errors=True)
        host.start(
            [self.programs / "salt-minion", "-c", "/srv/etc"],
            CONVERGE_STATE_DIR="/srv/state",
            CONVERGE_CACHE_DIR="/srv/cache",
        )
        wait_until(
            f"{host.name} answers", lambda: bool(self.call("test.ping", target=host.name)), 180
        )

    def call(self, function: str, *arguments: str, target: str = "*") -> dict[str, Any]:
        """Call a function on minions; return their results by name."""
        command: list[str | Path] = [
            self.programs / "salt",
            "-c",
            "/srv/etc",
            "--out=json",
            "--static",
            "-t",
            "120",
        ]
        try:
            output = self.fleet.net.controller.run([*command, target, function, *arguments])
        except RuntimeError as error:
            output = str(error)
        results: dict[str, Any] = {}
        for position in (index for index, letter in enumerate(output) if letter == "{"):
            try:
                results = json.JSONDecoder().raw_decode(output[position:])[0]
                break
            except ValueError:
                continue
        return {name: result for name, result in results.items() if result not in (False, None, "")}

    def write(self, declared: Path, lock: Path) -> None:
        """Copy a release to the file tree of the master."""
        for file in (declared, lock):
            shutil.copy(file, self.tree / file.name)
        files = {
            f"/srv/etc/{file.name}": {"file.managed": [{"source": f"salt://{file.name}"}]}
            for file in (lock, declared)
        }
        toml = f"/srv/etc/{declared.name}"
        executable = {"executable": str(self.fleet.workspace.executable)}
        applied = {
            "app": {
                "converge.applied": [{"files": [toml]}, executable, {"watch": [{"file": toml}]}]
            }
        }
        restart = [{"name": "echo restarted >> /srv/restarts"}, {"watch": [{"converge": "app"}]}]
        states = {"include": ["files"], **applied, "restart": {"cmd.wait": restart}}
        (self.tree / "files.sls").write_text("#!json\n" + json.dumps(files))
        (self.tree / "app.sls").write_text("#!json\n" + json.dumps(states))

    def roll_out(self, *options: str, target: str = "*") -> Answers:
        """Apply the state on every connected minion."""
        return self.call("state.apply", "app", *options, target=target)


def _configure(disk: Path, kind: str, settings: dict[str, Any]) -> None:
    directory = disk / "etc"
    directory.mkdir(exist_ok=True)
    # Salt creates its runtime files below `root_dir`, on the disk, where `salt` and the master share
    # them.
    common = {
        "root_dir": "/srv",
        "log_file": f"/srv/{kind}.log",
        "pki_dir": f"/srv/pki/{kind}",
        "sock_dir": f"/run/{kind}",
        "pidfile": f"/run/{kind}.pid",
    }
    (directory / kind).write_text(json.dumps(settings | common))


def _changes(answer: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the changes of the state that manages the venv."""
    return next(
        output["changes"] for tag, output in answer.items() if tag.startswith("converge_|-app")
    )


@pytest.fixture
def master(fleet: Fleet, tool: Callable[[str], Path]) -> Master:
    """A master and three minions with the synced modules."""
    master = Master(fleet, tool("salt"))
    synced = master.call("saltutil.sync_all")
    assert set(synced) == {host.name for host in fleet.hosts}, synced
    return master


def test_rollout_converges_after_a_minion_is_killed(
    fleet: Fleet, master: Master, record: Callable[[str, object], None]
) -> None:
    """After a dry run, a rollout with a killed host, and a second rollout, all hosts are equal.

    The watch requisite fires once on each host.
    """
    master.write(*fleet.write_declaration("1.0"))
    # A dry run reads the declaration on the minion, so copy it first.
    assert len(master.call("state.apply", "files")) == len(fleet.hosts)
    planned = master.roll_out("test=True")
    assert {name: bool(_changes(answer)) for name, answer in planned.items()} == {
        host.name: True for host in fleet.hosts
    }
    first, killed_host, last = fleet.hosts
    fleet.server.clear_log()
    fleet.server.throttle(killed_host)
    arguments: list[str | Path] = [
        master.programs / "salt",
        "-c",
        "/srv/etc",
        "--async",
        "*",
        "state.apply",
        "app",
    ]
    fleet.net.controller.run(arguments)
    wait_until(
        "the throttled minion builds and the others are done",
        lambda: _is_building(killed_host) and restart_count(first) == restart_count(last) == 1,
        240,
    )
    killed_host.power_off()
    assert live_generation(killed_host) is None
    fleet.server.throttle(None)
    requests, sent = fleet.server.traffic()
    record(
        f"rollout of {first.name} by Salt",
        f"{requests[first.address]} requests, {sent[first.address]} bytes",
    )
    master.start_minion(killed_host)
    again = master.roll_out()
    assert {name: bool(_changes(answer)) for name, answer in again.items()} == {
        first.name: False,
        killed_host.name: True,
        last.name: False,
    }
    assert len({installed_digest(host) for host in fleet.hosts}) == 1
    assert [restart_count(host) for host in fleet.hosts] == [1, 1, 1]
    fleet.server.clear_log()
    assert not any(_changes(answer) for answer in master.roll_out().values())
    requests, sent = fleet.server.traffic()
    record("no-op of three minions", f"{requests.total()} requests, {sent.total()} bytes")
    assert requests.total() == 0


def _is_building(host: Host) -> bool:
    store = host.disk / "venvs" / ".app"
    return store.exists() and any(store.glob("generations/*"))
