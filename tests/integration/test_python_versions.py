"""Environments of every installed Python version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from states.venv.generations import in_use
from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.starts import WHEEL, starts
from tests.support.wheels import make_wheel

VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15", "pypy3")
DAEMON = """
import ctypes, os, sys, time
read, write = os.pipe()
if os.fork():
    os.close(write)
    print(os.read(read, 99).decode())
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.write(write, str(os.getpid()).encode())
os.closerange(0, 1024)
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
streams = [libc.fopen(b"data/%d" % number, b"w") for number in range(9)]
for stream in streams:
    libc.fputs(b"buffered", ctypes.c_void_p(stream))
files = [open("data/%d" % number, "w") for number in range(9, 18)]
for file in files:
    file.write("buffered")
deadline = time.monotonic() + 60
while not os.path.exists("stop") and time.monotonic() < deadline:
    time.sleep(0.02)
"""
"""A daemon that closes its descriptors, opens files in their place, and writes to them when it
exits. It prints its ID."""


def interpreter(version: str) -> str:
    """Return an interpreter of a minor version, or skip the test if there's none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    name = version if version.startswith("pypy") else f"python{version}"
    candidates = [
        *map(str, sorted(pyenv.glob(f"{version}.*/bin/{name}"))),
        shutil.which(name),
    ]
    for path in candidates:
        if path and subprocess.run([path, "-c", ""], check=False).returncode == 0:
            return os.path.realpath(path)
    pytest.skip(f"NO PYTHON {version}: its environments aren't tested")


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Return each minor version."""
    return str(request.param)


@pytest.fixture(scope="module")
def version_host(
    version: str, tmp_path_factory: pytest.TempPathFactory, shared_cache: Path
) -> Host:
    """Return a host with a venv of a version, which the tests of this version share."""
    python = interpreter(version)
    host = Host(directory=tmp_path_factory.mktemp("host"), cache=shared_cache, python=python)
    make_wheels(host.wheels)
    make_wheel(host.wheels, "started", "1.0", **WHEEL)
    host.declare(["alpha", "beta<2", "started"])
    plan = host.assert_converges()
    selected = next(change for change in plan["changes"] if change["attribute"] == "python")
    assert selected["after"].startswith(f"{version}.") or version == "pypy3"
    return host


def test_environment_of_each_version_works_and_is_stable(version_host: Host, version: str) -> None:
    host = version_host
    assert host.run_script("alpha") == "alpha 1.1"
    tag = host.run_python("import sys; print(sys.implementation.cache_tag)")
    assert tag == f"cpython-{version.replace('.', '')}" or version == "pypy3"
    compiled = [file.name for file in host.site.rglob("alpha/__pycache__/*.pyc")]
    assert compiled == [f"__init__.{tag}.pyc"]

    (host.site / "alpha/__init__.py").write_text("")
    assert host.assert_converges()["action"] == "repair"
    assert host.run_script("alpha") == "alpha 1.1"


def test_each_start_finds_every_package_once(version_host: Host, tmp_path: Path) -> None:
    """As in a venv of another tool, and only in the generation."""
    host = version_host
    plain, link = tmp_path / "plain", tmp_path / "link"
    link.symlink_to(host.venv)
    virtualenv = [sys.executable, "-m", "virtualenv", "--no-seed", "--app-data", str(host.cache)]
    subprocess.run([*virtualenv, "--quiet", "-p", host.python, str(plain)], check=True)
    (plain_site,) = plain.glob("lib/*/site-packages")
    for entry in host.site.glob("started*"):
        (shutil.copytree if entry.is_dir() else shutil.copy)(entry, plain_site / entry.name)
    published = starts(host.venv, host.python)
    others = [starts(path, host.python) for path in (link, host.generation)]
    expected = starts(plain, host.python)["path"].run()

    results = {name: start.run() for name, start in published.items()}
    results |= {
        f"{name} {number}": ways[name].run()
        for number, ways in enumerate(others)
        for name in ("path", "activate_this")
    }

    site = str(host.site)
    for name, report in results.items():
        assert report["paths"] == [site, f"{site}/started/extra"], name
        assert report["distributions"] == 1, name
        assert all(module.startswith(f"{site}/") for module in report["modules"]), name
        assert report["prefix"] == str(host.generation) or name == "addsitedir", name
    for key in ("distributions", "imports", "start files"):
        assert results["path"][key] == expected[key] == results["path 1"][key], key


def test_daemon_that_closes_its_descriptors_keeps_its_generation(
    version_host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease isn't a descriptor: the daemon can't close it, and exits without closing others."""
    root = str(version_host.generation)
    (tmp_path / "data").mkdir()
    argv = [str(version_host.venv / "bin/python"), "-c", DAEMON]
    pid = int(subprocess.run(argv, cwd=tmp_path, check=True, stdout=subprocess.PIPE).stdout)

    pids = in_use.using_processes(root)
    with monkeypatch.context() as patched:
        patched.setattr(in_use, "using_processes", lambda _: [])
        is_locked = in_use.is_in_use(root)
    (tmp_path / "stop").touch()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)

    assert pids == [pid]
    assert is_locked
    assert not in_use.is_in_use(root)
    contents = [(tmp_path / f"data/{number}").read_text() for number in range(18)]
    assert contents == ["buffered"] * 18


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
