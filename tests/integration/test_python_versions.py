"""Environments of every installed Python version."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.host import Host

VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


def interpreter(version: str) -> str:
    """Return an interpreter of a minor version, or skip the test if there's none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        *map(str, sorted(pyenv.glob(f"{version}.*/bin/python{version}"))),
        shutil.which(f"python{version}"),
    ]
    for path in candidates:
        if path and subprocess.run([path, "-c", ""], check=False).returncode == 0:
            return os.path.realpath(path)
    pytest.skip(f"NO PYTHON {version}: its environments aren't tested")


@pytest.mark.parametrize("version", VERSIONS)
def test_environment_of_each_version_works_and_is_stable(
    host_with_wheels: Host, version: str
) -> None:
    host_with_wheels.python = interpreter(version)
    host_with_wheels.declare(["alpha", "beta<2"])

    plan = host_with_wheels.assert_converges()

    python = next(change for change in plan["changes"] if change["attribute"] == "python")
    assert python["after"].startswith(f"{version}.")
    assert host_with_wheels.run_script("alpha") == "alpha 1.1"
    assert (
        host_with_wheels.run_python("import sys; print('%d.%d' % sys.version_info[:2])") == version
    )
    compiled = [file.name for file in host_with_wheels.site.rglob("alpha/__pycache__/*.pyc")]
    assert compiled == [f"__init__.cpython-{version.replace('.', '')}.pyc"]

    (host_with_wheels.site / "alpha/__init__.py").write_text("")
    assert host_with_wheels.assert_converges()["action"] == "repair"
    assert host_with_wheels.run_script("alpha") == "alpha 1.1"


@pytest.mark.parametrize("version", ["3.6", "3.7"])
def test_interpreter_that_is_too_old_is_skipped(host_with_wheels: Host, version: str) -> None:
    """`/usr/bin/python3` of an old distribution is such an interpreter."""
    old = host_with_wheels.directory / "bin/python3"
    old.parent.mkdir()
    old.symlink_to(interpreter(version))
    host_with_wheels.env = {"PATH": f"{old.parent}:{Path(host_with_wheels.python).parent}"}

    host_with_wheels.declare(["beta"], python="3")
    skipped = host_with_wheels.plan()
    host_with_wheels.declare(["beta"], python=str(old))
    named = host_with_wheels.plan()

    assert skipped.code == 0, skipped.err
    assert not str(skipped.changes()["python"][1]).startswith(f"{version}.")
    assert named.code == 1
    assert named.first["error"]["message"].startswith(f"`{old}` is Python {version}.")
    assert "3.8 or later" in named.first["error"]["hint"]


def test_version_is_found_in_pyenv(host_with_wheels: Host) -> None:
    real = interpreter("3.12")
    versions = host_with_wheels.directory / "pyenv/versions/3.12.99/bin"
    versions.mkdir(parents=True)
    (versions / "python3.12").symlink_to(real)
    host_with_wheels.env = {
        "PYENV_ROOT": str(host_with_wheels.directory / "pyenv"),
        "PATH": "/nonexistent",
    }
    host_with_wheels.declare(["beta"], python="3.12")

    python = next(
        change
        for change in host_with_wheels.plan().first["changes"]
        if change["attribute"] == "python"
    )

    assert python["after"].startswith("3.12.")


def test_environment_used_as_interpreter_resolves_to_its_base(host_with_wheels: Host) -> None:
    """Otherwise, deleting the old environment would break the new one."""
    venv = host_with_wheels.directory / "made-by-hand"
    subprocess.run([host_with_wheels.python, "-m", "venv", "--without-pip", venv], check=True)
    host_with_wheels.declare(["beta"], python=str(venv / "bin/python"))
    host_with_wheels.apply_ok()

    shutil.rmtree(venv)

    assert host_with_wheels.run_python("import beta; print(beta.__version__)") == "2.0"
