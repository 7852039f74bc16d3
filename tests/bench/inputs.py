"""The packages to install: ten services of an OpenStack series, locked at run time.

Overrides exclude packages that have no wheels or need system headers. Because of `NEWEST`, every run
resolves to the same versions.
"""

from __future__ import annotations

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

SOURCE_ONLY = ("ncclient", "ovs", "python-ldap", "simplegeneric", "systemd-python", "testresources")

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


def lock(directory: Path, service: str, python: Path, environment: Mapping[str, str]) -> Lockfiles:
    """Resolve `service` into `directory`, unless the lockfiles exist.

    Args:
        directory: Where to write the lockfiles.
        service: A key of `SERVICES`, or that with the suffix `-older`.
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
        requirements_in.write_text("\n".join(SERVICES[service.removesuffix("-older")]) + "\n")
        overrides = directory / f"{service}.overrides"
        excluded = [f"{package} ; python_version < '3'" for package in SOURCE_ONLY]
        older = [OLDER] if service.endswith("-older") else []
        overrides.write_text("\n".join([*excluded, *older]) + "\n")
        options = ["--override", str(overrides), "--exclude-newer", NEWEST, "--generate-hashes"]
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
