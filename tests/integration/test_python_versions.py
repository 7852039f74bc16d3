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
    candidates: list[str | Path | None] = [*sorted(pyenv.glob(f"{version}.*/bin/python{version}"))]
    for path in filter(None, [*candidates, shutil.which(f"python{version}")]):
        if subprocess.run([path, "-c", ""], check=False).returncode == 0:
            return os.path.realpath(path)
    pytest.skip(f"NO PYTHON {version}: its environments aren't tested")


@pytest.mark.parametrize("version", VERSIONS)
def test_environment_of_each_version_works_and_is_stable(stocked: Host, version: str) -> None:
    stocked.python = interpreter(version)
    stocked.declare(["alpha", "beta<2"])

    plan = stocked.converges()

    python = next(change for change in plan["changes"] if change["attribute"] == "python")
    assert python["after"].startswith(f"{version}.")
    assert stocked.script("alpha") == "alpha 1.1"
    assert stocked.python_says("import sys; print('%d.%d' % sys.version_info[:2])") == version
    compiled = [file.name for file in stocked.site.rglob("alpha/__pycache__/*.pyc")]
    assert compiled == [f"__init__.cpython-{version.replace('.', '')}.pyc"]

    (stocked.site / "alpha/__init__.py").write_text("")
    assert stocked.converges()["action"] == "repair"
    assert stocked.script("alpha") == "alpha 1.1"


@pytest.mark.parametrize("version", ["3.6", "3.7"])
def test_interpreter_that_is_too_old_is_skipped(stocked: Host, version: str) -> None:
    """`/usr/bin/python3` of an old distribution is such an interpreter."""
    old = stocked.folder / "bin/python3"
    old.parent.mkdir()
    old.symlink_to(interpreter(version))
    stocked.env = {"PATH": f"{old.parent}:{Path(stocked.python).parent}"}

    stocked.declare(["beta"], python="3")
    skipped = stocked.plan()
    stocked.declare(["beta"], python=str(old))
    named = stocked.plan()

    assert skipped.code == 0, skipped.err
    assert not str(skipped.changes()["python"][1]).startswith(f"{version}.")
    assert named.code == 1
    assert named.first["error"]["message"].startswith(f"`{old}` is Python {version}.")
    assert "3.8 or later" in named.first["error"]["hint"]


def test_version_is_found_in_pyenv(stocked: Host) -> None:
    real = interpreter("3.12")
    versions = stocked.folder / "pyenv/versions/3.12.99/bin"
    versions.mkdir(parents=True)
    (versions / "python3.12").symlink_to(real)
    stocked.env = {"PYENV_ROOT": str(stocked.folder / "pyenv"), "PATH": "/nonexistent"}
    stocked.declare(["beta"], python="3.12")

    python = next(
        change for change in stocked.plan().first["changes"] if change["attribute"] == "python"
    )

    assert python["after"].startswith("3.12.")


def test_environment_used_as_interpreter_resolves_to_its_base(stocked: Host) -> None:
    """Otherwise, deleting the old environment would break the new one."""
    venv = stocked.folder / "made-by-hand"
    subprocess.run([stocked.python, "-m", "venv", "--without-pip", venv], check=True)
    stocked.declare(["beta"], python=str(venv / "bin/python"))
    stocked.applied()

    shutil.rmtree(venv)

    assert stocked.python_says("import beta; print(beta.__version__)") == "2.0"
