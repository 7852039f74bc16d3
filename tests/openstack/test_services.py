"""OpenStack services from the package index, with the constraints that OpenStack publishes.

The examples name the constraints by URL. If CONVERGE_OPENSTACK_CONSTRAINTS names a directory with a
copy, or `../shared/openstack` contains one, the tests use the copy. If neither the copy nor the URL is
available, pytest skips these tests and reports the reason.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from engine.settings import Settings
from states.interpreter import discovery
from states.venv.resolve.resolver import resolve
from states.venv.sources.tree import tree_digest
from states.venv.spec import Venv

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


def declaration(directory: Path, series: str) -> Path:
    """Copy an example and its files to a directory, with constraints that are available."""
    text = (EXAMPLES / f"{series}.toml").read_text()
    url = re.search(r'constraints = \["(https://[^"]+)"\]', text)
    assert url is not None
    copy = COPIES / f"upper-constraints-{series}.txt"
    if copy.is_file():
        text = text.replace(url[1], str(copy))
    elif not _reachable(url[1]):
        pytest.skip(f"constraints unavailable: {url[1]}, or a copy in {COPIES}")
    (directory / "build-constraints.txt").write_text(
        (EXAMPLES / "build-constraints.txt").read_text()
    )
    target = directory / "services.toml"
    target.write_text(text)
    return target


def _reachable(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=20):
            return True
    except OSError:
        return False


class Host:
    """A directory with a declaration, and private state and cache directories."""

    def __init__(self, directory: Path, cache: Path, services: tuple[str, ...]) -> None:
        self.directory = directory
        self.only = [
            argument
            for service in services
            for argument in ("--only", f"link.demo/bin/{SCRIPTS[service]}")
        ]
        self.env = {
            **os.environ,
            "CONVERGE_CACHE_DIR": str(cache),
            "CONVERGE_STATE_DIR": str(directory / "state"),
        }

    def run(self, verb: str, *options: str) -> dict[str, Any]:
        argv = [sys.executable, "-m", "states", verb, str(self.directory / "services.toml")]
        if verb != "status":
            argv += self.only
        completed = subprocess.run(
            [*argv, "--json", *options], cwd=ROOT, env=self.env, capture_output=True, text=True
        )
        document: dict[str, Any] = json.loads(completed.stdout)
        assert document["exit"]["code"] == completed.returncode, completed.stderr
        assert completed.returncode == 0, (
            json.dumps(document, indent=1)[-6000:] + completed.stderr[-4000:]
        )
        return document

    def version(self, service: str) -> str:
        script = self.directory / "demo" / "bin" / SCRIPTS[service]
        completed = subprocess.run([script, "--version"], capture_output=True, text=True)
        assert completed.returncode == 0, completed.stderr[-2000:]
        return completed.stdout.strip() or completed.stderr.strip()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    configured = os.environ.get("CONVERGE_TEST_CACHE")
    return Path(configured) if configured else tmp_path_factory.mktemp("cache")


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
    for planned, actual in zip(plan["resources"], applied["resources"], strict=True):
        changes = [
            {
                change["attribute"]: (change["before"], change["after"])
                for change in resource["changes"]
                if change["attribute"] != "generation"
            }
            for resource in (planned, actual)
        ]
        assert changes[0] == changes[1]
        assert planned["action"] == actual["action"]
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


@pytest.mark.network
@pytest.mark.openstack
def test_upgraded_tacker_gets_the_versions_of_a_new_host(tmp_path: Path, cache: Path) -> None:
    """The constraints of a series name neither the services nor their plugins."""
    settings = Settings(cache=str(cache), state=str(tmp_path / "state"))
    python = discovery.find("3.11")

    def versions(series: str, previous: str | None) -> tuple[dict[str, str], str]:
        constraints = COPIES / f"upper-constraints-{series}.txt"
        if not constraints.is_file():
            pytest.skip(f"constraints unavailable: {constraints}")
        packages = ("tacker", "neutron", "networking-sfc")
        path = str(tmp_path / "tacker")
        spec = Venv(path=path, packages=packages, constraints=(str(constraints),))
        resolution = resolve(spec, python, previous, settings, tree_digest)
        return {package.name: package.version for package in resolution.packages}, resolution.lock

    old, lock = versions("2025.1", None)
    upgraded, _ = versions("2026.1", lock)

    assert upgraded == versions("2026.1", None)[0]
    assert all(upgraded[name] != old[name] for name in ("neutron", "networking-sfc"))
