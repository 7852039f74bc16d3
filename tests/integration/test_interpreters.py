"""Environments of every version of Python that is here."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.host import Host

VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


def interpreter(version: str) -> str:
    """Return an interpreter of a minor version; skips, loudly, where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    known = sorted(pyenv.glob(f"{version}.*/bin/python{version}"))
    found = [str(one) for one in known] + [shutil.which(f"python{version}")]
    for path in filter(None, found):
        if subprocess.run([path, "-c", ""], check=False).returncode == 0:
            return os.path.realpath(path)
    pytest.skip(f"NO PYTHON {version} HERE: its environments go untested")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_environment_of_this_version_works_and_is_stable(stocked: Host, version: str) -> None:
    stocked.python = interpreter(version)
    stocked.declare(["alpha", "beta<2"])

    plan = stocked.converges()

    python = next(one for one in plan["changes"] if one["attribute"] == "python")
    assert python["after"].startswith(f"{version}.")
    assert stocked.script("alpha") == "alpha 1.1"
    assert stocked.python_says("import sys; print('%d.%d' % sys.version_info[:2])") == version
    compiled = [one.name for one in stocked.site.rglob("alpha/__pycache__/*.pyc")]
    assert compiled == [f"__init__.cpython-{version.replace('.', '')}.pyc"]

    (stocked.site / "alpha/__init__.py").write_text("")
    assert stocked.converges()["action"] == "repair"
    assert stocked.script("alpha") == "alpha 1.1"


@pytest.mark.parametrize("version", ["3.6", "3.7"])
def test_an_interpreter_that_is_too_old_is_passed_over(stocked: Host, version: str) -> None:
    """As `/usr/bin/python3` of an old distribution is."""
    old = stocked.folder / "bin/python3"
    old.parent.mkdir()
    old.symlink_to(interpreter(version))
    stocked.env = {"PATH": f"{old.parent}:{Path(stocked.python).parent}"}

    stocked.declare(["beta"], python="3")
    passed = stocked.plan()
    stocked.declare(["beta"], python=str(old))
    named = stocked.plan()

    assert passed.code == 0, passed.err
    assert not str(passed.changes()["python"][1]).startswith(f"{version}.")
    assert named.code == 1
    assert named.first["error"]["message"].startswith(f"`{old}` is Python {version}.")
    assert "3.8 or later" in named.first["error"]["hint"]


def test_a_version_is_found_where_pyenv_keeps_them(stocked: Host) -> None:
    real = interpreter("3.12")
    versions = stocked.folder / "pyenv/versions/3.12.99/bin"
    versions.mkdir(parents=True)
    (versions / "python3.12").symlink_to(real)
    stocked.env = {"PYENV_ROOT": str(stocked.folder / "pyenv"), "PATH": "/nonexistent"}
    stocked.declare(["beta"], python="3.12")

    python = next(one for one in stocked.plan().first["changes"] if one["attribute"] == "python")

    assert python["after"].startswith("3.12.")


def test_an_environment_as_interpreter_stands_for_its_base(stocked: Host) -> None:
    """Else the new environment would break with the old one."""
    made = stocked.folder / "made-by-hand"
    subprocess.run([stocked.python, "-m", "venv", "--without-pip", made], check=True)
    stocked.declare(["beta"], python=str(made / "bin/python"))
    stocked.applied()

    shutil.rmtree(made)

    assert stocked.python_says("import beta; print(beta.__version__)") == "2.0"
