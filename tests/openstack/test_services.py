"""OpenStack's services, from the package index, under OpenStack's own constraints.

The examples name the constraints by the URL that OpenStack publishes. Where a copy lies in
`../shared/openstack`, or in the folder that CONVERGE_OPENSTACK_CONSTRAINTS names, that is
put in its place; where neither the copy nor the URL can be had, these tests are skipped,
and the reason stands in the summary.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "openstack"
COPIES = Path(
    os.environ.get("CONVERGE_OPENSTACK_CONSTRAINTS", ROOT.parent / "shared" / "openstack")
)
SERVICES = ("keystone", "glance", "placement", "nova", "neutron")
CI_SERVICES = ("keystone", "placement")
SCRIPTS = {
    "keystone": "keystone-manage",
    "glance": "glance-manage",
    "placement": "placement-manage",
    "nova": "nova-manage",
    "neutron": "neutron-rpc-server",
}


def declaration(folder: Path, series: str) -> Path:
    """Put an example and what it names into a folder, with constraints that can be had."""
    text = (EXAMPLES / f"{series}.toml").read_text()
    url = re.search(r'constraints = \["(https://[^"]+)"\]', text)
    assert url is not None
    copy = COPIES / f"upper-constraints-{series}.txt"
    if copy.is_file():
        text = text.replace(url[1], str(copy))
    elif not _reachable(url[1]):
        pytest.skip(f"NO CONSTRAINTS: neither {url[1]} nor a copy in {COPIES} can be had")
    (folder / "build-constraints.txt").write_text((EXAMPLES / "build-constraints.txt").read_text())
    target = folder / "services.toml"
    target.write_text(text)
    return target


def _reachable(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=20):
            return True
    except OSError:
        return False


class Host:
    """A folder with a declaration, and state and cache of its own beside it."""

    def __init__(self, folder: Path, cache: Path, services: tuple[str, ...]) -> None:
        self.folder = folder
        self.only = [
            word for one in services for word in ("--only", f"link.demo/bin/{SCRIPTS[one]}")
        ]
        self.env = {
            **os.environ,
            "CONVERGE_CACHE_DIR": str(cache),
            "CONVERGE_STATE_DIR": str(folder / "state"),
        }

    def run(self, verb: str, *words: str) -> dict:
        argv = [sys.executable, "-m", "states", verb, str(self.folder / "services.toml")]
        if verb != "status":
            argv += self.only
        done = subprocess.run(
            [*argv, "--json", *words], cwd=ROOT, env=self.env, capture_output=True, text=True
        )
        document = json.loads(done.stdout)
        assert document["exit"]["code"] == done.returncode, done.stderr
        assert done.returncode == 0, json.dumps(document, indent=1)[-6000:] + done.stderr[-4000:]
        return document

    def version(self, service: str) -> str:
        script = self.folder / "demo" / "bin" / SCRIPTS[service]
        done = subprocess.run([script, "--version"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip() or done.stderr.strip()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get("CONVERGE_TEST_CACHE")
    return Path(given) if given else tmp_path_factory.mktemp("cache")


def upgrade(tmp_path: Path, cache: Path, services: tuple[str, ...]) -> None:
    host = Host(tmp_path, cache, services)
    declaration(tmp_path, "2025.1")
    created = host.run("apply")
    assert created["summary"]["create"] == 2 * len(services)
    old = {service: host.version(service) for service in services}
    assert host.run("apply")["changed"] is False

    declaration(tmp_path, "2026.1")
    plan = host.run("plan")
    applied = host.run("apply")
    for foretold, happened in zip(plan["resources"], applied["resources"], strict=True):
        changes = [
            {
                c["attribute"]: (c["before"], c["after"])
                for c in one["changes"]
                if c["attribute"] != "generation"
            }
            for one in (foretold, happened)
        ]
        assert changes[0] == changes[1]
        assert foretold["action"] == happened["action"]
    assert applied["summary"]["update"] == len(services)
    for service in services:
        assert host.version(service) != old[service]
    assert host.run("apply")["changed"] is False
    assert host.run("verify")["exit"]["code"] == 0


@pytest.mark.network
def test_two_services_upgrade_across_series(tmp_path: Path, cache: Path) -> None:
    upgrade(tmp_path, cache, CI_SERVICES)


@pytest.mark.network
@pytest.mark.openstack
def test_five_services_upgrade_across_series(tmp_path: Path, cache: Path) -> None:
    upgrade(tmp_path, cache, SERVICES)
