"""Drift at the published path: how converge repairs, adopts, or refuses what it finds."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.snapshots import Snapshots
from tests.support.command import changes, reasons


@pytest.fixture
def host_with_beta(snapshots: Snapshots) -> Host:
    """Return a host with an environment that contains `beta`."""

    def prepare(host: Host) -> None:
        make_wheels(host.wheels)
        host.declare(["beta"])
        host.apply_ok()

    return snapshots.host("beta", prepare)


def create_incomplete_environment(host: Host) -> None:
    """Create an environment that contains only an interpreter."""
    (host.venv / "bin").mkdir(parents=True)
    (host.venv / "bin/python").symlink_to(host.python)


UNMANAGED: dict[str, Callable[[Host], object]] = {
    "incomplete environment": create_incomplete_environment,
    "environment of another tool": lambda host: subprocess.run(
        [host.python, "-m", "venv", "--without-pip", host.venv], check=True
    ),
    "file": lambda host: host.venv.write_text("original"),
    "symlink": lambda host: host.venv.symlink_to("/etc"),
}


def test_redirected_path_is_repaired_without_a_build(applied_host: Host) -> None:
    before = applied_host.generation
    applied_host.venv.unlink()
    applied_host.venv.symlink_to("/etc")

    plan = applied_host.assert_converges()

    assert plan["action"] == "repair"
    assert changes(plan) == {"path": ("symlink to /etc", str(applied_host.venv))}
    assert applied_host.generation == before


def test_missing_path_is_repaired_without_a_build(applied_host: Host) -> None:
    before = applied_host.generation
    applied_host.venv.unlink()

    plan = applied_host.assert_converges()

    assert changes(plan) == {"path": ("missing", str(applied_host.venv))}
    assert reasons(plan)["path"] == "the path doesn't point to it"
    assert applied_host.generation == before


def test_dangling_path_is_repaired(applied_host: Host) -> None:
    shutil.rmtree(applied_host.generation)

    plan = applied_host.assert_converges()

    assert changes(plan)["path"] == ("dangling", str(applied_host.venv))
    assert applied_host.run_script("alpha") == "alpha 1.1"


def test_path_to_an_older_generation_reports_its_packages(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta<2"])
    host_with_wheels.apply_ok()
    old = host_with_wheels.generation
    host_with_wheels.declare(["beta==2.0"])
    host_with_wheels.apply_ok()
    host_with_wheels.venv.unlink()
    host_with_wheels.venv.symlink_to(os.path.relpath(old, host_with_wheels.venv.parent))

    plan = host_with_wheels.assert_converges()

    assert changes(plan)["package.beta"] == ("1.0", "2.0")


def test_environment_moved_by_hand_is_rebuilt(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["alpha", "beta<2"])
    host_with_wheels.apply_ok()
    (host_with_wheels.directory / "venvs").rename(host_with_wheels.directory / "relocated")
    host_with_wheels.declare(["alpha", "beta<2"], path="relocated/app")

    planned = host_with_wheels.plan().first
    host_with_wheels.apply_ok()
    host_with_wheels.assert_no_changes()

    expected = f"made at {host_with_wheels.directory}/venvs/.app/generations"
    assert str(changes(planned)["relocated"][0]).startswith(expected)
    assert planned["action"] == "repair"
    script = host_with_wheels.directory / "relocated/app/bin/alpha"
    assert subprocess.run([script], capture_output=True, text=True).stdout == "alpha 1.1\n"


def test_empty_directory_at_the_path_is_replaced(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.venv.mkdir(parents=True)

    host_with_wheels.assert_converges()

    assert host_with_wheels.venv.is_symlink()


@pytest.mark.parametrize("create", UNMANAGED.values(), ids=UNMANAGED)
def test_unmanaged_path_is_refused_and_unchanged(
    host_with_wheels: Host, create: Callable[[Host], object]
) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.venv.parent.mkdir()
    create(host_with_wheels)
    before = sorted(host_with_wheels.venv.rglob("*")), os.lstat(host_with_wheels.venv)

    planned, result = host_with_wheels.plan(), host_with_wheels.apply()

    for run in (planned, result):
        assert run.code == 1
        assert run.first["error"]["message"] == (
            f"`{host_with_wheels.venv}` exists and wasn't created by converge"
        )
        assert "adopt = true" in run.first["error"]["hint"]
    assert (sorted(host_with_wheels.venv.rglob("*")), os.lstat(host_with_wheels.venv)) == before


def content(path: Path) -> str | list[str]:
    """Return the text of a file, or the names of all entries in a directory."""
    if path.is_dir():
        return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))
    return path.read_text()


@pytest.mark.parametrize("create", UNMANAGED.values(), ids=UNMANAGED)
def test_adopt_replaces_an_unmanaged_path_and_keeps_a_backup(
    host_with_wheels: Host, create: Callable[[Host], object]
) -> None:
    host_with_wheels.declare(["beta"], adopt=True)
    host_with_wheels.venv.parent.mkdir()
    create(host_with_wheels)
    is_symlink = host_with_wheels.venv.is_symlink()
    originals = [] if is_symlink else [content(host_with_wheels.venv)]

    plan = host_with_wheels.assert_converges()

    expected = (
        "replaces the symlink to /etc"
        if is_symlink
        else "the existing directory becomes the adopted backup "
        f"`{host_with_wheels.store}/adopted-…`"
    )
    assert reasons(plan)["path"] == expected
    assert host_with_wheels.run_python("import beta; print(beta.__version__)") == "2.0"
    assert [content(backup) for backup in host_with_wheels.store.glob("adopted-*")] == originals


@pytest.mark.parametrize("name", ["venvs/app/", "./venvs//app", "alias/app"])
def test_equivalent_path_is_the_same_environment(host_with_beta: Host, name: str) -> None:
    (host_with_beta.directory / "alias").symlink_to("venvs")

    host_with_beta.declare(["beta"], path=name)

    assert not host_with_beta.plan().report["changed"]


def test_two_resources_with_equivalent_paths_are_refused(host_with_wheels: Host) -> None:
    (host_with_wheels.directory / "venvs").mkdir()
    (host_with_wheels.directory / "alias").symlink_to("venvs")
    host_with_wheels.declare(["beta"], more='[venv.second]\npath = "alias/app"')

    assert host_with_wheels.plan().code == 65


@pytest.mark.parametrize("name", [".converge", "."])
@pytest.mark.parametrize("kind", ["file", "symlink to itself"])
def test_file_in_place_of_a_generation_is_drift(host_with_beta: Host, name: str, kind: str) -> None:
    path = host_with_beta.generation / name
    shutil.rmtree(path)
    if kind == "file":
        path.write_text("")
    else:
        path.symlink_to(path.name)

    host_with_beta.assert_converges()


def test_paths_that_become_equivalent_are_refused(host_with_wheels: Host) -> None:
    """This also holds if the declaration is valid and cached."""
    host_with_wheels.declare(["beta"], path="one/app", more='[venv.second]\npath = "two/app"')
    (host_with_wheels.directory / "two").mkdir()
    assert host_with_wheels.plan().code == 0
    (host_with_wheels.directory / "two").rmdir()
    (host_with_wheels.directory / "two").symlink_to("one")

    assert host_with_wheels.plan().code == 65


def test_path_that_is_the_store_of_another_venv_is_refused(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"], more='[venv.second]\npath = "venvs/.app"')

    refused = host_with_wheels.plan()

    assert refused.code == 65
    assert "venvs/.app" in refused.out


def test_concurrent_create_and_delete_both_succeed(host_with_wheels: Host) -> None:
    """The second run waits for the first, then makes its own changes."""
    host_with_wheels.declare([])
    declaration = (host_with_wheels.directory / "converge.toml").read_text()
    host_with_wheels.write(declaration + 'state = "absent"\n', "absent.toml")
    host_with_wheels.apply_ok()

    for _ in range(4):
        commands = (["apply", "absent.toml"], ["apply", "converge.toml"], ["apply", "absent.toml"])
        with ThreadPoolExecutor() as pool:
            results = list(pool.map(lambda command: host_with_wheels.run(*command), commands))

        assert [run.code for run in results] == [0, 0, 0], [run.out + run.err for run in results]
        host_with_wheels.apply_ok()
