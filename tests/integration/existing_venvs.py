"""Venvs that other tools create: real pip, uv, virtualenv, and the steps of a role."""

from __future__ import annotations

import ensurepip
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from uv import find_uv_bin
from virtualenv.seed.wheels.embed import BUNDLE_FOLDER

from tests.integration.host import PYTHON
from tests.support.wheels import make_wheel

VERSIONS = {"alpha": "1.0", "beta": "1.0", "gamma": "3.0"}
"""The packages that each tool installs, although newer versions exist."""
REQUIREMENTS = ("alpha[extra]==1.0", "beta<2")
_SEEDS = (Path(ensurepip.__file__).parent / "_bundled", BUNDLE_FOLDER)


def make_wheels(directory: Path) -> None:
    """Create the wheels that all tools install."""
    extras = {"extra": ["gamma"]}
    for version in ("1.0", "1.1"):
        make_wheel(
            directory,
            "alpha",
            version,
            requires=["beta"],
            extras=extras,
            files={"alpha/settings.py": "DEBUG = False\n", "alpha/data.txt": "1\n"},
            console_scripts={"alpha": "alpha:main"},
            data={"data/etc/alpha/paste.ini": "[pipeline]\n"},
        )
    for version in ("1.0", "2.0"):
        make_wheel(directory, "beta", version)
    make_wheel(directory, "gamma", "3.0")
    make_seeds(directory)


def make_seeds(directory: Path) -> None:
    """Copy the wheels that `venv` and virtualenv install into new venvs."""
    for seeds in _SEEDS:
        for wheel in seeds.glob("*.whl"):
            shutil.copy(wheel, directory)


def run(*argv: str | Path) -> str:
    """Run a tool as its users do, without its configuration; return its output."""
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    process = subprocess.run(
        list(map(str, argv)), env=env, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def pip_install(venv: Path, wheels: Path, *arguments: str | Path) -> None:
    """Install with the venv's own pip."""
    options = ("--quiet", "--no-compile", "--no-index", "--find-links", wheels)
    run(venv / "bin" / "python", "-m", "pip", "install", *options, *arguments)


def with_venv(venv: Path, wheels: Path) -> None:
    """`python -m venv`, then pip."""
    run(PYTHON, "-m", "venv", venv)
    pip_install(venv, wheels, *REQUIREMENTS)


def with_virtualenv(venv: Path, wheels: Path) -> None:
    """`virtualenv`, then pip."""
    app_data = venv.parent / "app-data"
    command = (sys.executable, "-m", "virtualenv", "--no-download", "--app-data", app_data)
    run(*command, "--python", PYTHON, venv)
    pip_install(venv, wheels, *REQUIREMENTS)


def with_uv(venv: Path, wheels: Path) -> None:
    """`uv venv`, then `uv pip install`."""
    uv, cache = find_uv_bin(), ("--cache-dir", venv.parent / "uv-cache")
    run(uv, "venv", "--quiet", "--no-config", *cache, "--python", PYTHON, venv)
    uv_install(venv, wheels, *REQUIREMENTS)


def uv_install(venv: Path, wheels: Path, *arguments: str | Path) -> None:
    """Install with `uv pip install`."""
    options = ("--no-index", "--find-links", wheels, "--cache-dir", venv.parent / "uv-cache")
    command = (find_uv_bin(), "pip", "install", "--quiet", "--no-config", "--no-build-isolation")
    run(*command, *options, "--python", venv / "bin" / "python", *arguments)


def with_role(venv: Path, wheels: Path) -> None:
    """Take the steps of the role."""
    lines = [f"{name}=={version}" for name, version in VERSIONS.items()]
    with_role_steps(venv, wheels, ["alpha[extra]", "beta"], lines)


def with_role_steps(
    venv: Path, wheels: Path, requirements: Sequence[str], constraints: Sequence[str]
) -> None:
    """Take the steps of OpenStack-Ansible's role: requirement files first, then venv and pip."""
    venv.mkdir(parents=True)
    (venv / "requirements.txt").write_text("\n".join(requirements))
    (venv / "global-constraints.txt").write_text("")
    (venv / "constraints.txt").write_text("\n".join(constraints))
    run(PYTHON, "-m", "venv", venv)
    pip_install(venv, wheels, "--upgrade", "pip", "setuptools")
    options = [
        argument
        for name in ("global-constraints.txt", "constraints.txt")
        for argument in ("--constraint", venv / name)
    ]
    pip_install(venv, wheels, *options, "--pre", *requirements)


MAKERS: dict[str, Callable[[Path, Path], None]] = {
    "venv and pip": with_venv,
    "virtualenv": with_virtualenv,
    "uv": with_uv,
    "the role": with_role,
}
"""The ways to create a venv, by name."""


def site_of(venv: Path) -> Path:
    """Return the directory of the packages."""
    (site,) = venv.glob("lib/python*/site-packages")
    return site
