"""What was live before can be had back, also an adopted folder, and stays until it is released."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .host import Host

NAME = "converge.toml"


@pytest.fixture
def adopted(stocked: Host) -> Host:
    """A host whose venv took the place of a folder of another tool's making."""
    stocked.declare(["beta"], adopt=True)
    stocked.venv.mkdir(parents=True)
    (stocked.venv / "precious").write_text("mine")
    stocked.applied()
    return stocked


def given_back(host: Host) -> bool:
    """Whether the path is the folder of old again."""
    return not host.venv.is_symlink() and (host.venv / "precious").read_text() == "mine"


def test_a_first_rollback_gives_back_what_was_adopted(adopted: Host) -> None:
    done = adopted.run("rollback", NAME, "app")

    assert done.code == 0, done.err
    assert given_back(adopted)
    assert not list(adopted.store.glob("foreign-*"))


def test_the_history_tells_what_is_live_before_and_after(adopted: Host) -> None:
    assert "[live]" in adopted.run("history", NAME, "app").out.splitlines()[0]
    adopted.run("rollback", NAME, "app")

    told = adopted.run("history", NAME, "app").out.splitlines()

    assert told[0] == f"{adopted.venv}  another tool's  [live]"
    assert not any("live" in line for line in told[1:])
    assert json.loads(adopted.run("history", NAME, "app", "--json").out)["live"] == "foreign"


def test_what_was_given_back_is_held_though_the_declaration_says_adopt(adopted: Host) -> None:
    adopted.run("rollback", NAME, "app")

    done = adopted.applied()

    assert not done.report["changed"]
    assert "held at the folder that was adopted" in done.err + done.out
    assert given_back(adopted)
    assert adopted.check().code == 0
    assert adopted.run("status", NAME).out.endswith("not made by converge  held\n")


def test_a_release_lets_it_be_adopted_again(adopted: Host) -> None:
    adopted.run("rollback", NAME, "app")
    adopted.run("rollback", NAME, "app", "--release")

    adopted.converges()

    assert adopted.venv.is_symlink()


def test_another_wish_ends_the_hold(adopted: Host) -> None:
    adopted.run("rollback", NAME, "app")
    adopted.declare(["alpha"], adopt=True)

    adopted.converges()

    assert adopted.venv.is_symlink()


def test_what_was_given_back_is_not_removed_as_absent(adopted: Host) -> None:
    adopted.run("rollback", NAME, "app")
    adopted.declare(["beta"], adopt=True, state="absent")

    for run in (adopted.plan(), adopted.apply()):
        assert run.code == 1
        assert "converge did not make" in run.first["error"]["message"]
        assert "adopt" not in run.first["error"]["hint"]
    assert given_back(adopted)

    adopted.venv.rename(adopted.folder / "elsewhere")
    adopted.applied()
    assert not adopted.store.exists()


def test_the_verb_adopts_what_is_held(adopted: Host) -> None:
    adopted.run("rollback", NAME, "app")

    done = adopted.run("adopt", NAME, "app")

    assert done.code == 0, done.err
    assert adopted.venv.is_symlink()
    assert not adopted.apply().report["changed"]


def test_the_verb_adopts_what_standard_input_declares(stocked: Host) -> None:
    text = stocked.declare(["beta"]).read_text()
    stocked.venv.mkdir(parents=True)
    (stocked.venv / "precious").write_text("mine")

    done = stocked.run("adopt", "-", "app", "--json", text=text)

    assert done.code == 0, done.out + done.err
    assert done.first["outcome"] == "changed"
    assert stocked.versions() == {"beta": "2.0"}


@pytest.mark.parametrize("make", [Path.touch, os.mkfifo], ids=["file", "fifo"])
def test_the_verb_adopts_what_is_no_folder(stocked: Host, make: Callable[[Path], object]) -> None:
    stocked.declare(["beta"])
    stocked.venv.parent.mkdir()
    make(stocked.venv)

    done = stocked.run("adopt", NAME, "app")

    assert done.code == 0, done.err
    assert stocked.versions() == {"beta": "2.0"}
    assert stocked.run("rollback", NAME, "app").code == 0
    assert not stocked.venv.is_symlink()
    assert stocked.venv.exists()


def test_the_verb_has_nothing_to_adopt_where_nothing_or_ours_is(stocked: Host) -> None:
    stocked.declare(["beta"])
    for _ in range(2):
        refused = stocked.run("adopt", NAME, "app")
        assert refused.code == 1
        assert "nothing of another tool's making" in refused.err
        stocked.applied()


def test_it_is_named_by_history_and_can_be_asked_for(adopted: Host) -> None:
    (kept,) = json.loads(adopted.run("history", NAME, "app", "--json").out)["foreign"]
    adopted.declare(["alpha"], adopt=True)
    adopted.applied()

    before = adopted.run("rollback", NAME, "app")
    back = adopted.run("rollback", NAME, "app", "--to", kept)

    assert "is back at 000001-" in before.out
    assert back.code == 0, back.err
    assert given_back(adopted)


def test_of_several_one_must_be_named(adopted: Host) -> None:
    adopted.venv.unlink()
    adopted.venv.mkdir()
    (adopted.venv / "precious").write_text("another's")
    adopted.applied()
    kept = json.loads(adopted.run("history", NAME, "app", "--json").out)["foreign"]

    refused = adopted.run("rollback", NAME, "app")

    assert len(kept) == 2
    assert refused.code == 1
    assert all(name in refused.err for name in kept)


def test_from_there_a_rollback_goes_to_the_newest_generation(adopted: Host) -> None:
    live = os.path.basename(adopted.generation)
    adopted.run("rollback", NAME, "app")

    adopted.run("rollback", NAME, "app")

    assert os.path.basename(adopted.generation) == live
    (kept,) = adopted.store.glob("foreign-*")
    assert (kept / "precious").read_text() == "mine"


def test_a_rollback_does_not_put_itself_in_the_place_of_what_another_made(stocked: Host) -> None:
    for version in ("1.0", "2.0"):
        stocked.declare([f"beta=={version}"])
        stocked.applied()
    stocked.venv.unlink()
    stocked.venv.write_text("precious")

    refused = stocked.run("rollback", NAME, "app", "--to", "000001")

    assert refused.code == 1
    assert "did not make" in refused.err
    assert stocked.venv.read_text() == "precious"


def test_a_changed_mode_is_another_wish_too(stocked: Host) -> None:
    for version in ("1.0", "2.0"):
        stocked.declare([f"beta=={version}"])
        stocked.applied()
    stocked.run("rollback", NAME, "app")
    stocked.declare(["beta==2.0"], mode="0700")

    stocked.converges()

    assert stocked.python_says("import beta; print(beta.__version__)") == "2.0"
    assert stocked.generation.stat().st_mode & 0o777 == 0o700


def test_verify_says_of_another_tools_folder_that_it_is_one(stocked: Host) -> None:
    stocked.declare(["beta"])
    (stocked.venv / "bin").mkdir(parents=True)

    done = stocked.run("verify", NAME)

    assert done.code == 1
    assert f"`{stocked.venv}` was not made by converge" in done.out


@pytest.mark.parametrize("wrong", ["missing", "foreign", "elsewhere"])
def test_verify_does_not_pass_over_a_path_that_leads_to_no_generation(
    stocked: Host, wrong: str
) -> None:
    stocked.declare(["beta"])
    stocked.applied()
    stocked.venv.unlink()
    if wrong == "foreign":
        stocked.venv.mkdir()
        (stocked.venv / "precious").write_text("mine")
    elif wrong == "elsewhere":
        stocked.venv.symlink_to("/usr")

    done = stocked.run("verify", NAME)

    assert done.code == 1
    assert "does not lead to a generation" in done.out
