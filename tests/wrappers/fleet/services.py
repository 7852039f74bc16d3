"""What a fleet runs: sshd on each host, nginx with the wheels on the controller."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.wrappers.fleet.network import Host, Network, until, which

_NGINX = """\
daemon off;
user {user};
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 128; }}
http {{
    log_format served '$remote_addr $status $body_bytes_sent $uri';
    access_log {folder}/access.log served;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{
        listen {address}:80;
        root {wheels};
        autoindex on;
        include {folder}/slow.conf;
    }}
}}
"""
_SSHD = """\
Port 22
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
SetEnv CONVERGE_STATE_DIR=/srv/state CONVERGE_CACHE_DIR=/srv/cache
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelServer:
    """nginx that serves a folder of wheels and remembers what it served to whom."""

    controller: Host
    folder: Path

    @property
    def url(self) -> str:
        """The page of links."""
        return f"http://{self.controller.address}/"

    @property
    def log(self) -> Path:
        """One line for each request."""
        return self.folder / "access.log"

    def served(self) -> tuple[Counter[str], Counter[str]]:
        """Return the requests and the bytes by host address since the log was last emptied."""
        requests: Counter[str] = Counter()
        sent: Counter[str] = Counter()
        for line in self.log.read_text().splitlines():
            address, _, size, _ = line.split(" ", 3)
            requests[address] += 1
            sent[address] += int(size)
        return requests, sent

    def forget(self) -> None:
        """Empty the log, which nginx only appends to."""
        os.truncate(self.log, 0)

    def slow_down(self, host: Host | None) -> None:
        """Let one host fetch at 200 kB/s, or none; those that are fetching keep their pace."""
        rule = f"if ($remote_addr = {host.address}) {{ set $limit_rate 200k; }}\n" if host else ""
        (self.folder / "slow.conf").write_text(rule)
        if self.log.exists():
            self.controller.run(
                [which("nginx") or "nginx", "-c", self.folder / "conf", "-s", "reload"]
            )


def serve_wheels(net: Network, wheels: Path) -> WheelServer:
    """Start nginx on the controller."""
    folder = net.controller.disk / "nginx"
    folder.mkdir()
    server = WheelServer(controller=net.controller, folder=folder)
    server.slow_down(None)
    text = _NGINX.format(folder=folder, wheels=wheels, address=net.controller.address, user="root")
    (folder / "conf").write_text(text)
    net.controller.start([which("nginx") or "nginx", "-c", folder / "conf"])
    until("nginx listens", (folder / "nginx.pid").exists)
    return server


def make_keys(net: Network) -> Path:
    """Make the controller's key and the hosts' keys; return the controller's private one."""
    for host in [net.controller, *net.hosts]:
        name = "key" if host is net.controller else "host_key"
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host.disk / name]
        subprocess.run(words, check=True)
    return net.controller.disk / "key"


def start_sshd(host: Host, key: Path) -> None:
    """Start sshd on the host, also after it was switched off."""
    config = host.disk / "sshd_config"
    text = _SSHD.format(address=host.address, folder="/srv")
    config.write_text(text.replace("/srv/key.pub", str(key) + ".pub"))
    host.start([which("sshd") or "sshd", "-D", "-e", "-f", "/srv/sshd_config"])
    until(f"sshd listens on {host.name}", lambda: _listens(host))


def _listens(host: Host) -> bool:
    words = ["ip", "netns", "exec", host.namespace, "ss", "-Htln", "sport", "=", ":22"]
    return ":22" in subprocess.run(words, capture_output=True, text=True, check=False).stdout
