"""Hosts as network namespaces on one bridge, each with a `/srv` of its own.

A host is switched off by killing every process in its namespace at once, as a power cut does; its
disk stays. Nothing is shared between hosts but the programs of this machine.
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
# Only /srv and /run are the host's own. sshd wants its folder in /run.
_ENTER = 'mount --bind "$1" /srv && mount -t tmpfs tmpfs /run && mkdir -m 0755 /run/sshd && shift && exec "$@"'


@dataclass(slots=True, kw_only=True)
class Host:
    """One machine of the fleet."""

    name: str
    namespace: str
    address: str
    disk: Path
    """What the host sees as `/srv`."""
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, arguments: list[str | Path], **environ: str) -> subprocess.Popen[bytes]:
        """Start a program on the host, with its output in a file on its disk."""
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
        """Run a program on the host to its end; return what it wrote, or raise."""
        before = (self.disk / "log").stat().st_size if (self.disk / "log").exists() else 0
        code = self.start(arguments, **environ).wait()
        output = (self.disk / "log").read_bytes()[before:].decode()
        if code:
            raise RuntimeError(f"{self.name}: {arguments} ended with {code}:\n{output}")
        return output

    def processes(self) -> list[int]:
        """Return the processes that run on the host."""
        listed = subprocess.run(
            ["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=False
        )
        return [int(line) for line in listed.stdout.split()]

    def power_off(self) -> None:
        """Kill everything on the host, until there is nothing left that could start more."""
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
    """The controller and its hosts."""

    controller: Host
    hosts: list[Host]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def unavailable_reason() -> str:
    """Return why namespaces cannot be made here, or nothing."""
    if os.geteuid() != 0:
        return "the fleet needs root, for network namespaces"
    missing = [
        name for name in ("ip", "unshare", "sshd", "nginx", "ssh-keygen") if not find_program(name)
    ]
    return f"the fleet needs {', '.join(missing)}" if missing else ""


def find_program(name: str) -> str | None:
    """Find a program, those of the administrator too."""
    return shutil.find_program(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


@contextmanager
def network(directory: Path, count: int) -> Iterator[Network]:
    """Make a controller and `count` hosts with disks below `folder`; take all down at the end."""
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
    """Put a bridge into the controller and a cable from it to each host."""
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


def wait_until(what: str, true: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until something is true; raise if it does not become so."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain until {what}")
        time.sleep(0.1)
