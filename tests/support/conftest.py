"""Real installers, isolated from this machine's configuration and caches."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from uv import find_uv_bin

Install = Callable[..., Path]


@pytest.fixture(scope="session")
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """An environment without configuration for any installer."""
    home = tmp_path_factory.mktemp("home")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_CACHE_DIR": str(home / "uv"),
        "UV_HTTP_RETRIES": "0",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }


@pytest.fixture(scope="session")
def pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pip in a private venv, which installs to other venvs."""
    venv = tmp_path_factory.mktemp("pip") / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    return venv / "bin" / "pip"


@pytest.fixture
def install_with_uv(tmp_path: Path, clean_environment: Mapping[str, str]) -> Install:
    """Install with uv; `--no-index` unless an index is given."""

    def command(venv: Path) -> list[str]:
        return [find_uv_bin(), "pip", "install", "--python", str(venv / "bin" / "python")]

    return _installer(tmp_path, clean_environment, command)


@pytest.fixture
def install_with_pip(tmp_path: Path, clean_environment: Mapping[str, str], pip: Path) -> Install:
    """Install with pip; `--no-index` unless an index is given."""

    def command(venv: Path) -> list[str]:
        return [str(pip), "--python", str(venv / "bin" / "python"), "install", "--no-cache-dir"]

    return _installer(tmp_path, clean_environment, command)


def _installer(
    directory: Path, clean_environment: Mapping[str, str], command: Callable[[Path], list[str]]
) -> Install:
    numbers = itertools.count()

    def install(requirement: str, *options: str) -> Path:
        venv = directory / f"venv-{next(numbers)}"
        requirements = venv.with_suffix(".txt")
        requirements.write_text(requirement + "\n")
        subprocess.run(
            [find_uv_bin(), "venv", "--quiet", "--python", sys.executable, venv],
            env=clean_environment,
            check=True,
        )
        offline = [] if "--index-url" in options else ["--no-index"]
        subprocess.run(
            [*command(venv), *offline, *options, "-r", str(requirements)],
            env=clean_environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return venv

    return install
