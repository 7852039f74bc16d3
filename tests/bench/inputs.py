"""What is installed: ten services of an OpenStack series, locked at run time.

One list a service; packages that come as source only, or need system headers, are overridden
away, and `NEWEST` holds the resolution still, so that every run has the same pins.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

NEWEST = "2026-09-01"
"""No release younger than this is looked at."""

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
"""The archetypes: {service: what is asked for}, about a hundred packages each once resolved."""

SOURCE_ONLY = ("ncclient", "ovs", "python-ldap", "simplegeneric", "systemd-python", "testresources")

OLDER = "certifi==2025.1.31"
"""The one package in which `keystone` and `keystone-older` differ."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """One service's packages, pinned with hashes, in both spellings."""

    service: str
    requirements: Path
    pylock: Path

    @property
    def packages(self) -> int:
        """How many packages are pinned."""
        return self.pylock.read_text().count("[[packages]]")


def lock(folder: Path, service: str, python: Path, environment: Mapping[str, str]) -> Lock:
    """Resolve `service` for `python` into `folder`, unless it lies there already."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Lock(
        service=service,
        requirements=folder / f"{service}.txt",
        pylock=folder / f"pylock.{service}.toml",
    )
    if not made.pylock.exists():
        asked = folder / f"{service}.in"
        asked.write_text("\n".join(SERVICES[service.removesuffix("-older")]) + "\n")
        overrides = folder / f"{service}.overrides"
        never = [f"{package} ; python_version < '3'" for package in SOURCE_ONLY]
        older = [OLDER] if service.endswith("-older") else []
        overrides.write_text("\n".join([*never, *older]) + "\n")
        options = ["--override", str(overrides), "--exclude-newer", NEWEST, "--generate-hashes"]
        _compile(asked, made.requirements, python, environment, options)
        # From the pins, so that both spellings mean the same.
        scratch = folder / f"pylock.{service}-new.toml"
        _compile(made.requirements, scratch, python, environment, ["--no-deps"])
        scratch.rename(made.pylock)
    return made


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
