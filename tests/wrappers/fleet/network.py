"""Hosts as network namespaces on one bridge, each with its own `/srv`.

Powering off a host kills every process in its namespace. Its disk stays. Hosts share only the
programs of this machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_NET = "10.77.13"
_BRIDGE = "hub"
# Each host has its own /srv and /run. sshd requires the directory /run/sshd.
_ENTER = 'mount --bind "$1" /srv && mount -t tmpfs tmpfs /run && mkdir -m 0755 /run/sshd && shift && exec "$@"'


@dataclass(slots=True, kw_only=True)
class Host:
    """One machine of the fleet."""

    name: str
    namespace: str
    address: str
    disk: Path
    """The directory that is `/srv` on the host."""
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, arguments: list[str | Path], **environ: str) -> subprocess.Popen[bytes]:
        """Start a program on the host; its output goes to a file on the host's disk."""
        log = (self.disk / "log").open("ab")
        entering = ["ip", "netns", "exec", self.namespace, "unshare", "--mount", "--propagation"]
        process = subprocess.Popen(
            [*entering, "private", "sh", "-c", _ENTER, "sh", str(self.disk), *map(str, arguments)],
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
        )
        log.close()
        self.started.append(process)
        return process

    def run(self, arguments: list[str | Path], **environ: str) -> str:
        """Run a program on the host and return its output.

        Raises:
            RuntimeError: The exit code isn't 0.

        """
        before = (self.disk / "log").stat().st_size if (self.disk / "log").exists() else 0
        code = self.start(arguments, **environ).wait()
        output = (self.disk / "log").read_bytes()[before:].decode()
        if code:
            raise RuntimeError(f"{self.name}: {arguments} ended with {code}:\n{output}")
        return output

    def processes(self) -> list[int]:
        """Return the IDs of the processes on the host."""
        listed = subprocess.run(
            ["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=False
        )
        return [int(line) for line in listed.stdout.split()]

    def power_off(self) -> None:
        """Kill all processes on the host, and repeat until they can't start more."""
        while pids := self.processes():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.02)
        for process in self.started:
            process.wait()
        self.started.clear()


@dataclass(slots=True, kw_only=True)
class Network:
    """The controller and the hosts."""

    controller: Host
    hosts: list[Host]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def unavailable_reason() -> str:
    """Return the reason why this machine can't run a fleet, or an empty string."""
    if os.geteuid() != 0:
        return "the fleet needs root to create network namespaces"
    missing = [
        name for name in ("ip", "unshare", "sshd", "nginx", "ssh-keygen") if not find_program(name)
    ]
    return f"the fleet needs {', '.join(missing)}" if missing else ""


def find_program(name: str) -> str | None:
    """Find a program on PATH and in the sbin directories."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


@contextmanager
def network(directory: Path, count: int) -> Iterator[Network]:
    """Create a controller and `count` hosts, with disks below `directory`; delete them at the end."""
    stem = f"cvg{os.getpid()}"
    names = ["controller", *(f"host{number}" for number in range(1, count + 1))]
    machines: list[Host] = []
    try:
        for number, name in enumerate(names):
            namespace, address = f"{stem}-{name}", f"{_NET}.{number + 1}"
            _ip("netns", "add", namespace)
            disk = directory / name
            disk.mkdir(parents=True)
            machines.append(Host(name=name, namespace=namespace, address=address, disk=disk))
            _ip("-n", namespace, "link", "set", "lo", "up")
        _connect(machines)
        yield Network(controller=machines[0], hosts=machines[1:])
    finally:
        for host in machines:
            host.power_off()
        for host in machines:
            _ip("netns", "delete", host.namespace)


def _connect(machines: list[Host]) -> None:
    """Create a bridge on the controller, and connect each host to it."""
    controller = machines[0]
    _ip("-n", controller.namespace, "link", "add", _BRIDGE, "type", "bridge")
    _ip("-n", controller.namespace, "addr", "add", f"{controller.address}/24", "dev", _BRIDGE)
    _ip("-n", controller.namespace, "link", "set", _BRIDGE, "up")
    for number, host in enumerate(machines[1:]):
        near = f"port{number}"
        ends = ["type", "veth", "peer", "name", "eth0", "netns", host.namespace]
        _ip("-n", controller.namespace, "link", "add", near, *ends)
        _ip("-n", controller.namespace, "link", "set", near, "master", _BRIDGE, "up")
        _ip("-n", host.namespace, "addr", "add", f"{host.address}/24", "dev", "eth0")
        _ip("-n", host.namespace, "link", "set", "eth0", "up")


def wait_until(description: str, condition: Callable[[], bool], timeout_s: float = 120) -> None:
    """Wait until a condition is true.

    Args:
        description: The condition, for the error message.
        condition: Called every 0.1 s.
        timeout_s: The time limit in seconds.

    Raises:
        TimeoutError: The condition is still false after `timeout_s`.

    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"timed out after {timeout_s} s: {description}")
        time.sleep(0.1)
