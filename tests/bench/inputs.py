"""The packages to install: services of an OpenStack series, locked at run time.

Overrides exclude packages that have no wheels or need system headers. Because of `NEWEST`, every run
resolves to the same versions.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

NEWEST = "2026-09-01"
"""Ignore releases after this date."""

SERVICES: Mapping[str, Sequence[str]] = {
    "keystone": ["keystone==29.0.2", "osprofiler", "PyMySQL", "python-memcached"],
    "glance": ["glance==32.0.0", "osprofiler", "PyMySQL", "pymemcache", "warlock"],
    "nova": ["nova==33.0.2", "osprofiler", "PyMySQL", "oslo.cache[dogpile]"],
    "neutron": ["neutron==28.0.1", "osprofiler", "PyMySQL", "oslo.cache[dogpile]"],
    "barbican": ["barbican==22.0.0", "osprofiler", "PyMySQL", "pymemcache"],
    "designate": ["designate==22.0.1", "osprofiler", "PyMySQL", "python-designateclient"],
    "manila": ["manila==22.0.0", "osprofiler", "PyMySQL", "ecdsa", "httplib2"],
    "magnum": ["magnum==22.0.0", "osprofiler", "PyMySQL", "python-memcached"],
    "aodh": ["aodh==22.0.1", "osprofiler", "PyMySQL", "gnocchiclient"],
    "octavia": ["octavia==18.0.0", "osprofiler", "PyMySQL", "python-octaviaclient"],
}
"""Requirements by service. Each resolves to about a hundred packages."""

SOURCE_ONLY = (
    *("confspirator", "jsonpath-rw", "junitxml", "ncclient", "ovs", "pyngus", "pyscss"),
    *("python-ilorest-library", "python-ldap", "python-xclarityclient", "simplegeneric"),
    *("systemd-python", "testresources", "uwsgi"),
)

SERIES = "2026.1"
OPENSTACK = Path(
    os.environ.get("CONVERGE_OPENSTACK_CONSTRAINTS")
    or Path(__file__).resolve().parents[3] / "shared" / "openstack"
)
"""A directory with the requirements of all services in `in/`, and the constraints of the series."""
_PREFIX = "openstack-"

OLDER = "certifi==2025.1.31"
"""The only package that differs between `keystone` and `keystone-older`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lockfiles:
    """The locked packages of one service, with hashes, in both file formats."""

    service: str
    requirements: Path
    pylock: Path

    @property
    def packages(self) -> int:
        """Number of locked packages."""
        return self.pylock.read_text().count("[[packages]]")


def openstack_services() -> list[str]:
    """Return the names of all services in the directory `OPENSTACK` that have wheels."""
    files = sorted((OPENSTACK / "in").glob(f"*-{SERIES}.in"))
    names = [file.name.removesuffix(f"-{SERIES}.in") for file in files]
    return [f"{_PREFIX}{name}" for name in names if name not in SOURCE_ONLY]


def _requirements(service: str) -> str:
    name = service.removeprefix(_PREFIX)
    if name != service:
        return (OPENSTACK / "in" / f"{name}-{SERIES}.in").read_text()
    return "\n".join(SERVICES[service.removesuffix("-older")]) + "\n"


def lock(directory: Path, service: str, python: Path, environment: Mapping[str, str]) -> Lockfiles:
    """Resolve `service` into `directory`, unless the lockfiles exist.

    Args:
        directory: Where to write the lockfiles.
        service: A key of `SERVICES`, or that with the suffix `-older`, or a name that
            `openstack_services` returns.
        python: Interpreter to resolve for.
        environment: Environment of uv.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lockfiles = Lockfiles(
        service=service,
        requirements=directory / f"{service}.txt",
        pylock=directory / f"pylock.{service}.toml",
    )
    if not lockfiles.pylock.exists():
        requirements_in = directory / f"{service}.in"
        requirements_in.write_text(_requirements(service))
        overrides = directory / f"{service}.overrides"
        excluded = [f"{package} ; python_version < '3'" for package in SOURCE_ONLY]
        older = [OLDER] if service.endswith("-older") else []
        overrides.write_text("\n".join([*excluded, *older]) + "\n")
        options = ["--override", str(overrides), "--exclude-newer", NEWEST, "--generate-hashes"]
        if service.startswith(_PREFIX):
            options += ["--constraint", str(OPENSTACK / f"upper-constraints-{SERIES}.txt")]
        _compile(requirements_in, lockfiles.requirements, python, environment, options)
        # Generate it from the locked versions, so that both formats contain the same versions.
        temporary = directory / f"pylock.{service}-new.toml"
        _compile(lockfiles.requirements, temporary, python, environment, ["--no-deps"])
        temporary.rename(lockfiles.pylock)
    return lockfiles


def _compile(
    source: Path,
    target: Path,
    python: Path,
    environment: Mapping[str, str],
    options: Sequence[str],
) -> None:
    command = [find_uv_bin(), "pip", "compile", "--quiet", "--no-config", "--python", str(python)]
    subprocess.run(
        [*command, "--only-binary", ":all:", *options, str(source), "--output-file", str(target)],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
