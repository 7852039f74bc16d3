"""What may be at the published path, and what becomes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.host import Host, changes, reasons

FOREIGN: dict[str, Callable[[Host], object]] = {
    "a half-built environment": lambda host: (
        (host.venv / "bin").mkdir(parents=True),
        (host.venv / "bin/python").symlink_to(host.python),
    ),
    "an environment of another tool": lambda host: subprocess.run(
        [host.python, "-m", "venv", "--without-pip", host.venv], check=True
    ),
    "a plain file": lambda host: host.venv.write_text("mine"),
    "a symlink elsewhere": lambda host: host.venv.symlink_to("/etc"),
}


def test_a_redirected_path_is_put_back_without_building(live: Host) -> None:
    before = live.generation
    live.venv.unlink()
    live.venv.symlink_to("/etc")

    plan = live.converges()

    assert plan["action"] == "repair"
    assert changes(plan) == {"path": ("symlink to /etc", str(live.venv))}
    assert live.generation == before


def test_a_missing_link_is_put_back_without_building(live: Host) -> None:
    before = live.generation
    live.venv.unlink()

    plan = live.converges()

    assert changes(plan) == {"path": ("missing", str(live.venv))}
    assert reasons(plan)["path"] == "the path does not lead to it"
    assert live.generation == before


def test_a_path_that_dangles_is_repaired(live: Host) -> None:
    shutil.rmtree(live.generation)

    plan = live.converges()

    assert changes(plan)["path"] == ("dangling", str(live.venv))
    assert live.script("alpha") == "alpha 1.1"


def test_a_link_to_an_older_generation_is_what_it_says(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    old = stocked.generation
    stocked.declare(["beta==2.0"])
    stocked.applied()
    stocked.venv.unlink()
    stocked.venv.symlink_to(os.path.relpath(old, stocked.venv.parent))

    plan = stocked.converges()

    assert changes(plan)["package.beta"] == ("1.0", "2.0")


def test_an_environment_moved_by_hand_is_made_anew(stocked: Host) -> None:
    stocked.declare(["alpha", "beta<2"])
    stocked.applied()
    (stocked.folder / "venvs").rename(stocked.folder / "elsewhere")
    stocked.declare(["alpha", "beta<2"], path="elsewhere/app")

    planned = stocked.plan().first
    stocked.applied()
    stocked.settled()

    was = f"made at {stocked.folder}/venvs/.app/generations"
    assert str(changes(planned)["moved"][0]).startswith(was)
    assert planned["action"] == "repair"
    script = stocked.folder / "elsewhere/app/bin/alpha"
    assert subprocess.run([script], capture_output=True, text=True).stdout == "alpha 1.1\n"


def test_an_empty_folder_is_nobodys(stocked: Host) -> None:
    stocked.declare(["beta"])
    stocked.venv.mkdir(parents=True)

    stocked.converges()

    assert stocked.venv.is_symlink()


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_what_another_made_is_refused_and_left_alone(
    stocked: Host, make: Callable[[Host], object]
) -> None:
    stocked.declare(["beta"])
    stocked.venv.parent.mkdir()
    make(stocked)
    before = sorted(stocked.venv.rglob("*")), os.lstat(stocked.venv)

    planned, done = stocked.plan(), stocked.apply()

    for run in (planned, done):
        assert run.code == 1
        assert run.first["error"]["message"] == (
            f"`{stocked.venv}` holds something that converge did not make"
        )
        assert "adopt = true" in run.first["error"]["hint"]
    assert (sorted(stocked.venv.rglob("*")), os.lstat(stocked.venv)) == before


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_adopting_puts_aside_what_another_made(
    stocked: Host, make: Callable[[Host], object]
) -> None:
    stocked.declare(["beta"], adopt=True)
    stocked.venv.parent.mkdir()
    make(stocked)
    link = stocked.venv.is_symlink()

    plan = stocked.converges()

    told = "the symlink to /etc is replaced" if link else "what is there is put aside"
    assert reasons(plan)["path"] == told
    assert stocked.python_says("import beta; print(beta.__version__)") == "2.0"


def test_an_adopted_folder_is_kept(stocked: Host) -> None:
    stocked.declare(["beta"], adopt=True)
    stocked.venv.mkdir(parents=True)
    (stocked.venv / "precious").write_text("mine")

    stocked.converges()

    (aside,) = stocked.store.glob("foreign-*")
    assert (aside / "precious").read_text() == "mine"


def test_an_adopted_file_is_kept(stocked: Host) -> None:
    stocked.declare(["beta"], adopt=True)
    stocked.venv.parent.mkdir()
    stocked.venv.write_text("mine")

    stocked.converges()

    (aside,) = stocked.store.glob("foreign-*")
    assert aside.read_text() == "mine"


@pytest.mark.parametrize("name", ["venvs/app/", "./venvs//app", "by-another-name/app"])
def test_one_place_by_another_name_is_the_same_environment(stocked: Host, name: str) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    (stocked.folder / "by-another-name").symlink_to("venvs")

    stocked.declare(["beta"], path=name)

    assert not stocked.plan().report["changed"]


def test_two_names_for_one_place_are_refused(stocked: Host) -> None:
    (stocked.folder / "venvs").mkdir()
    (stocked.folder / "by-another-name").symlink_to("venvs")
    stocked.declare(["beta"], more='[venv.twin]\npath = "by-another-name/app"')

    assert stocked.plan().code == 65


@pytest.mark.parametrize("what", [".converge", "."])
@pytest.mark.parametrize("how", ["a file", "a circle"])
def test_what_stands_in_the_place_of_a_generation_is_drift(
    stocked: Host, what: str, how: str
) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    place = stocked.generation / what
    shutil.rmtree(place)
    if how == "a file":
        place.write_text("")
    else:
        place.symlink_to(place.name)

    stocked.converges()


def test_two_places_that_have_become_one_are_refused(stocked: Host) -> None:
    """Though the declaration was read, and found right, before."""
    stocked.declare(["beta"], path="one/app", more='[venv.twin]\npath = "two/app"')
    (stocked.folder / "two").mkdir()
    assert stocked.plan().code == 0
    (stocked.folder / "two").rmdir()
    (stocked.folder / "two").symlink_to("one")

    assert stocked.plan().code == 65


def test_a_path_that_is_the_store_of_another_is_refused(stocked: Host) -> None:
    stocked.declare(["beta"], more='[venv.twin]\npath = "venvs/.app"')

    refused = stocked.plan()

    assert refused.code == 65
    assert "venvs/.app" in refused.out


def test_one_engine_may_remove_what_another_makes(stocked: Host) -> None:
    """Whoever comes second waits for the first, and does what is asked of it."""
    stocked.declare(["beta"])
    text = (stocked.folder / "converge.toml").read_text()
    stocked.write(text + 'state = "absent"\n', "absent.toml")
    stocked.applied()

    for _ in range(4):
        ended = []
        words = (["apply", "absent.toml"], ["apply", "converge.toml"], ["apply", "absent.toml"])
        with ThreadPoolExecutor() as pool:
            ended = list(pool.map(lambda one: stocked.run(*one), words))

        assert [one.code for one in ended] == [0, 0, 0], [one.out + one.err for one in ended]
        stocked.applied()
