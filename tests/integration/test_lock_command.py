"""`converge lock` keeps live versions, and writes a file that serves a fleet and other tools."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
from uv import find_uv_bin

from engine.errors import ConvergeError
from states.interpreter import discovery
from states.interpreter.discovery import Python
from states.venv.resolve.pylock import parse_lock, select_artifacts
from tests.integration.host import Host
from tests.support.wheels import make_wheel

OWN_MINOR = f"3.{sys.version_info.minor}"


def lock(host: Host, *options: str) -> list[str]:
    """Run `converge lock`; return its notices."""
    completed = host.run("lock", "converge.toml", "--json", *options)
    assert completed.code == 0, completed.out + completed.err
    notices: list[str] = json.loads(completed.out)["notices"]
    return notices


def lockfile(host: Host, name: str = "pylock.app.toml") -> str:
    return (host.directory / name).read_text()


def locked_versions(host: Host, python: Python) -> dict[str, str]:
    """Return what an interpreter installs from the lockfile."""
    parsed = parse_lock(lockfile(host))
    packages = select_artifacts(parsed, python, str(host.directory), str).packages
    return {package.name: package.version for package in packages}


def interpreters() -> list[Python]:
    """Return an interpreter of each minor version on this host that converge supports."""
    pythons = []
    for minor in range(8, 16):
        try:
            pythons.append(discovery.find(f"3.{minor}"))
        except ConvergeError:
            continue
    return pythons


def test_lock_keeps_live_versions_if_no_lockfile_exists(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["alpha", "beta"])
    host_with_wheels.apply_ok()
    installed = host_with_wheels.versions()
    make_wheel(host_with_wheels.wheels, "alpha", "1.2", requires=["beta"])
    make_wheel(host_with_wheels.wheels, "beta", "3.0")

    lock(host_with_wheels)

    host_with_wheels.declare(["alpha", "beta"], lock="pylock.app.toml")
    assert not host_with_wheels.apply_ok().report["changed"]
    assert host_with_wheels.versions() == installed
    lock(host_with_wheels, "--upgrade")
    assert host_with_wheels.plan().changes()["package.beta"] == ("2.0", "3.0")


def test_lock_serves_every_patch_version_of_its_minor(host_with_wheels: Host) -> None:
    patch = f"{OWN_MINOR}.3"
    requires = [f"beta; python_full_version < '{patch}'", "gamma"]
    make_wheel(host_with_wheels.wheels, "patchy", "1.0", requires=requires)
    host_with_wheels.declare(["patchy"])

    lock(host_with_wheels)

    document = tomli.loads(lockfile(host_with_wheels))
    assert document["requires-python"] == f">={OWN_MINOR},<3.{sys.version_info.minor + 1}"
    markers = {package["name"]: package.get("marker", "") for package in document["packages"]}
    assert f"python_full_version < '{patch}'" in markers["beta"]
    assert markers["patchy"] == markers["gamma"] == ""


def test_lock_for_several_minors_serves_each_interpreter(host_with_wheels: Host) -> None:
    pythons = interpreters()
    newest = pythons[-1]
    minor = ".".join(newest.version.split(".")[:2])
    make_wheel(host_with_wheels.wheels, "picky", "1.0", requires=["beta"])
    make_wheel(host_with_wheels.wheels, "picky", "2.0", requires_python=f">={minor}")
    host_with_wheels.declare(["picky"])
    options = [f"--python={'.'.join(python.version.split('.')[:2])}" for python in pythons]

    lock(host_with_wheels, *options)

    for python in pythons[:-1]:
        assert locked_versions(host_with_wheels, python) == {"picky": "1.0", "beta": "2.0"}
    assert locked_versions(host_with_wheels, newest) == {"picky": "2.0"}
    first = lockfile(host_with_wheels)
    lock(host_with_wheels)
    assert lockfile(host_with_wheels) == first, "the next run keeps the versions of Python"


def test_lock_for_one_minor_is_refused_by_another(host_with_wheels: Host) -> None:
    others = [python for python in interpreters() if OWN_MINOR not in python.version]
    if not others:
        pytest.skip("this host has only one version of Python")
    host_with_wheels.declare(["beta"], lock="pylock.app.toml")
    lock(host_with_wheels)
    host_with_wheels.declare(["beta"], lock="pylock.app.toml", python=others[0].executable)

    refused = host_with_wheels.plan()

    assert refused.code == 1
    assert f"can't be used with Python {others[0].version}" in refused.first["error"]["message"]
    assert "`--python`" in refused.first["error"]["hint"]


def test_invalid_version_for_the_lock_is_a_usage_error(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])

    refused = host_with_wheels.run("lock", "converge.toml", "--python", "3.11.2")

    assert refused.code == 64
    assert "invalid version `3.11.2`; write a minor version" in refused.err


def test_other_installers_accept_the_lockfile(host_with_wheels: Host, tmp_path: Path) -> None:
    host_with_wheels.declare(["alpha"])
    lock(host_with_wheels)
    argv = [find_uv_bin(), "pip", "install", "--no-config", "--no-cache", "--no-index", "--offline"]
    argv += ["--python", host_with_wheels.python, "--target", str(tmp_path / "target")]

    subprocess.run([*argv, "-r", host_with_wheels.directory / "pylock.app.toml"], check=True)

    assert (tmp_path / "target/alpha/__init__.py").exists()


def test_lockfile_with_the_old_default_name_is_read_and_reported(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta<2"])
    lock(host_with_wheels)
    old = host_with_wheels.directory / "app.pylock.toml"
    (host_with_wheels.directory / "pylock.app.toml").rename(old)
    make_wheel(host_with_wheels.wheels, "beta", "1.9")

    notices = lock(host_with_wheels)

    assert notices == [
        "`pylock.app.toml` replaces `app.pylock.toml`, whose name uv and pip don't accept; "
        "delete the old file"
    ]
    assert 'version = "1.0"' in lockfile(host_with_wheels)
    host_with_wheels.declare(["beta<2"], lock="app.pylock.toml")
    assert lock(host_with_wheels) == [
        "uv and pip don't accept a lockfile named `app.pylock.toml`; rename it, for example to "
        "`pylock.app.toml`, and change `lock`"
    ]
    host_with_wheels.apply_ok()
