"""The services of a fleet: sshd on each host, and nginx with the wheels on the controller."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.wrappers.fleet.network import Host, Network, find_program, wait_until

_NGINX = """\
daemon off;
user {user};
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 128; }}
http {{
    log_format served '$remote_addr $status $body_bytes_sent $uri';
    access_log {directory}/access.log served;
    client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2; fastcgi_temp_path {directory}/t3;
    uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
    server {{
        listen {address}:80;
        root {wheels};
        autoindex on;
        include {directory}/slow.conf;
    }}
}}
"""
_SSHD = """\
Port 22
ListenAddress {address}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/key.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
SetEnv CONVERGE_STATE_DIR=/srv/state CONVERGE_CACHE_DIR=/srv/cache
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelServer:
    """An nginx that serves a directory of wheels, and logs each request with its size."""

    controller: Host
    directory: Path

    @property
    def url(self) -> str:
        """The URL of the page with links to the wheels."""
        return f"http://{self.controller.address}/"

    @property
    def log(self) -> Path:
        """One line for each request."""
        return self.directory / "access.log"

    def traffic(self) -> tuple[Counter[str], Counter[str]]:
        """Return the number of requests and bytes by host address since the last `clear_log`."""
        requests: Counter[str] = Counter()
        sent: Counter[str] = Counter()
        for line in self.log.read_text().splitlines():
            address, _, size, _ = line.split(" ", 3)
            requests[address] += 1
            sent[address] += int(size)
        return requests, sent

    def clear_log(self) -> None:
        """Truncate the log. nginx appends to it, so it needs no signal."""
        os.truncate(self.log, 0)

    def throttle(self, host: Host | None) -> None:
        """Limit one host to 200 kB/s, or no host; running downloads keep their rate."""
        rule = f"if ($remote_addr = {host.address}) {{ set $limit_rate 200k; }}\n" if host else ""
        (self.directory / "slow.conf").write_text(rule)
        if self.log.exists():
            self.controller.run(
                [find_program("nginx") or "nginx", "-c", self.directory / "conf", "-s", "reload"]
            )


def serve_wheels(net: Network, wheels: Path) -> WheelServer:
    """Start nginx on the controller."""
    directory = net.controller.disk / "nginx"
    directory.mkdir()
    server = WheelServer(controller=net.controller, directory=directory)
    server.throttle(None)
    text = _NGINX.format(
        directory=directory, wheels=wheels, address=net.controller.address, user="root"
    )
    (directory / "conf").write_text(text)
    net.controller.start([find_program("nginx") or "nginx", "-c", directory / "conf"])
    wait_until("nginx listens", (directory / "nginx.pid").exists)
    return server


def make_keys(net: Network) -> Path:
    """Create the SSH keys of the controller and the hosts; return the controller's private key."""
    for host in [net.controller, *net.hosts]:
        name = "key" if host is net.controller else "host_key"
        arguments: list[str | Path] = [
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-f",
            host.disk / name,
        ]
        subprocess.run(arguments, check=True)
    return net.controller.disk / "key"


def start_sshd(host: Host, key: Path) -> None:
    """Start sshd on the host, also after a power-off."""
    config = host.disk / "sshd_config"
    text = _SSHD.format(address=host.address, directory="/srv")
    config.write_text(text.replace("/srv/key.pub", str(key) + ".pub"))
    host.start([find_program("sshd") or "sshd", "-D", "-e", "-f", "/srv/sshd_config"])
    wait_until(f"sshd listens on {host.name}", lambda: _listens(host))


def _listens(host: Host) -> bool:
    arguments = ["ip", "netns", "exec", host.namespace, "ss", "-Htln", "sport", "=", ":22"]
    return ":22" in subprocess.run(arguments, capture_output=True, text=True, check=False).stdout
