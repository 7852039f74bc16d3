"""Drift at the published path: how converge repairs, adopts, or refuses what it finds."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.host import Host, changes, reasons

UNMANAGED: dict[str, Callable[[Host], object]] = {
    "incomplete environment": lambda host: (
        (host.venv / "bin").mkdir(parents=True),
        (host.venv / "bin/python").symlink_to(host.python),
    ),
    "environment of another tool": lambda host: subprocess.run(
        [host.python, "-m", "venv", "--without-pip", host.venv], check=True
    ),
    "file": lambda host: host.venv.write_text("original"),
    "symlink": lambda host: host.venv.symlink_to("/etc"),
}


def test_redirected_path_is_repaired_without_a_build(live: Host) -> None:
    before = live.generation
    live.venv.unlink()
    live.venv.symlink_to("/etc")

    plan = live.converges()

    assert plan["action"] == "repair"
    assert changes(plan) == {"path": ("symlink to /etc", str(live.venv))}
    assert live.generation == before


def test_missing_path_is_repaired_without_a_build(live: Host) -> None:
    before = live.generation
    live.venv.unlink()

    plan = live.converges()

    assert changes(plan) == {"path": ("missing", str(live.venv))}
    assert reasons(plan)["path"] == "the path does not lead to it"
    assert live.generation == before


def test_dangling_path_is_repaired(live: Host) -> None:
    shutil.rmtree(live.generation)

    plan = live.converges()

    assert changes(plan)["path"] == ("dangling", str(live.venv))
    assert live.script("alpha") == "alpha 1.1"


def test_path_to_an_older_generation_reports_its_packages(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    old = stocked.generation
    stocked.declare(["beta==2.0"])
    stocked.applied()
    stocked.venv.unlink()
    stocked.venv.symlink_to(os.path.relpath(old, stocked.venv.parent))

    plan = stocked.converges()

    assert changes(plan)["package.beta"] == ("1.0", "2.0")


def test_environment_moved_by_hand_is_rebuilt(stocked: Host) -> None:
    stocked.declare(["alpha", "beta<2"])
    stocked.applied()
    (stocked.folder / "venvs").rename(stocked.folder / "moved")
    stocked.declare(["alpha", "beta<2"], path="moved/app")

    planned = stocked.plan().first
    stocked.applied()
    stocked.settled()

    expected = f"made at {stocked.folder}/venvs/.app/generations"
    assert str(changes(planned)["moved"][0]).startswith(expected)
    assert planned["action"] == "repair"
    script = stocked.folder / "moved/app/bin/alpha"
    assert subprocess.run([script], capture_output=True, text=True).stdout == "alpha 1.1\n"


def test_empty_directory_at_the_path_is_replaced(stocked: Host) -> None:
    stocked.declare(["beta"])
    stocked.venv.mkdir(parents=True)

    stocked.converges()

    assert stocked.venv.is_symlink()


@pytest.mark.parametrize("create", UNMANAGED.values(), ids=UNMANAGED)
def test_unmanaged_path_is_refused_and_unchanged(
    stocked: Host, create: Callable[[Host], object]
) -> None:
    stocked.declare(["beta"])
    stocked.venv.parent.mkdir()
    create(stocked)
    before = sorted(stocked.venv.rglob("*")), os.lstat(stocked.venv)

    planned, result = stocked.plan(), stocked.apply()

    for run in (planned, result):
        assert run.code == 1
        assert run.first["error"]["message"] == (
            f"`{stocked.venv}` holds something that converge did not make"
        )
        assert "adopt = true" in run.first["error"]["hint"]
    assert (sorted(stocked.venv.rglob("*")), os.lstat(stocked.venv)) == before


@pytest.mark.parametrize("create", UNMANAGED.values(), ids=UNMANAGED)
def test_adopt_replaces_an_unmanaged_path(stocked: Host, create: Callable[[Host], object]) -> None:
    stocked.declare(["beta"], adopt=True)
    stocked.venv.parent.mkdir()
    create(stocked)
    is_symlink = stocked.venv.is_symlink()

    plan = stocked.converges()

    expected = "the symlink to /etc is replaced" if is_symlink else "what is there is put aside"
    assert reasons(plan)["path"] == expected
    assert stocked.python_says("import beta; print(beta.__version__)") == "2.0"


def test_adopted_directory_is_backed_up(stocked: Host) -> None:
    stocked.declare(["beta"], adopt=True)
    stocked.venv.mkdir(parents=True)
    (stocked.venv / "data.txt").write_text("original")

    stocked.converges()

    (backup,) = stocked.store.glob("foreign-*")
    assert (backup / "data.txt").read_text() == "original"


def test_adopted_file_is_backed_up(stocked: Host) -> None:
    stocked.declare(["beta"], adopt=True)
    stocked.venv.parent.mkdir()
    stocked.venv.write_text("original")

    stocked.converges()

    (backup,) = stocked.store.glob("foreign-*")
    assert backup.read_text() == "original"


@pytest.mark.parametrize("name", ["venvs/app/", "./venvs//app", "alias/app"])
def test_equivalent_path_is_the_same_environment(stocked: Host, name: str) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    (stocked.folder / "alias").symlink_to("venvs")

    stocked.declare(["beta"], path=name)

    assert not stocked.plan().report["changed"]


def test_two_resources_with_equivalent_paths_are_refused(stocked: Host) -> None:
    (stocked.folder / "venvs").mkdir()
    (stocked.folder / "alias").symlink_to("venvs")
    stocked.declare(["beta"], more='[venv.second]\npath = "alias/app"')

    assert stocked.plan().code == 65


@pytest.mark.parametrize("name", [".converge", "."])
@pytest.mark.parametrize("kind", ["file", "symlink to itself"])
def test_file_in_place_of_a_generation_is_drift(stocked: Host, name: str, kind: str) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    path = stocked.generation / name
    shutil.rmtree(path)
    if kind == "file":
        path.write_text("")
    else:
        path.symlink_to(path.name)

    stocked.converges()


def test_paths_that_become_equivalent_are_refused(stocked: Host) -> None:
    """This also holds if the declaration is valid and cached."""
    stocked.declare(["beta"], path="one/app", more='[venv.second]\npath = "two/app"')
    (stocked.folder / "two").mkdir()
    assert stocked.plan().code == 0
    (stocked.folder / "two").rmdir()
    (stocked.folder / "two").symlink_to("one")

    assert stocked.plan().code == 65


def test_path_that_is_the_store_of_another_venv_is_refused(stocked: Host) -> None:
    stocked.declare(["beta"], more='[venv.second]\npath = "venvs/.app"')

    refused = stocked.plan()

    assert refused.code == 65
    assert "venvs/.app" in refused.out


def test_concurrent_create_and_delete_both_succeed(stocked: Host) -> None:
    """The second run waits for the first, then makes its own changes."""
    stocked.declare(["beta"])
    declaration = (stocked.folder / "converge.toml").read_text()
    stocked.write(declaration + 'state = "absent"\n', "absent.toml")
    stocked.applied()

    for _ in range(4):
        commands = (["apply", "absent.toml"], ["apply", "converge.toml"], ["apply", "absent.toml"])
        with ThreadPoolExecutor() as pool:
            results = list(pool.map(lambda command: stocked.run(*command), commands))

        assert [run.code for run in results] == [0, 0, 0], [run.out + run.err for run in results]
        stocked.applied()
