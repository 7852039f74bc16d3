"""What the pages claim and no other test holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.integration.rooms import room, small_disk
from tests.support.wheels import make_wheel


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with two versions of one package to choose from."""
    host = Host(folder=tmp_path, cache=tmp_path / "cache")
    for version in ("1.0", "2.0"):
        make_wheel(host.wheels, "alpha", version)
    return host


def _two_generations(host: Host, *inside: str, name: str = "app") -> str:
    """Make two generations; return the id of the former one."""
    host.declare(["alpha<2"], path=f"venvs/{name}")
    host.applied(prefix=inside)
    host.declare(["alpha"], keep=1, path=f"venvs/{name}")
    host.applied("--upgrade", prefix=inside)
    former, _ = host.run("history", "converge.toml", "app", prefix=inside).out.splitlines()[2:4]
    return former.split()[0]


FILLING = {
    "no block": 'cat /dev/zero > "$0"; test -s "$0"',
    "no inode": 'number=0; while touch "$0$number"; do number=$((number + 1)); done',
}


@pytest.mark.parametrize(
    ("filling", "name"),
    [
        ("no block", "app"),
        ("no inode", "app"),
        ("no block", "a-name-that-no-file-system-keeps-in-an-inode" * 3),
    ],
)
def test_a_rollback_needs_no_room_and_no_network(host: Host, filling: str, name: str) -> None:
    disk = host.folder / "venvs"
    disk.mkdir()
    with room(small_disk(disk, "8m,nr_inodes=300"), host.folder) as inside:
        former = _two_generations(host, *inside, name=name)
        fill = ["sh", "-c", FILLING[filling], str(disk / "filler")]
        subprocess.run([*inside, *fill], check=True, stderr=subprocess.DEVNULL)
        done = host.run("rollback", "converge.toml", "app", prefix=[*inside, "unshare", "--net"])
        assert done.code == 0, done.err
        shown = subprocess.run(
            [*inside, "readlink", str(disk / name)], capture_output=True, text=True, check=True
        )
        assert os.path.basename(shown.stdout.strip()) == former


def test_a_pinned_generation_is_not_collected(host: Host) -> None:
    former = _two_generations(host)
    assert host.run("pin", "converge.toml", "app", former).code == 0
    assert host.run("gc", "--keep", "0", "converge.toml").code == 0
    assert former in host.generations()
    assert host.run("pin", "converge.toml", "app", former, "--remove").code == 0
    assert host.run("gc", "--keep", "0", "converge.toml").code == 0
    assert former not in host.generations()


def test_a_pin_is_told_in_json_and_put_by_the_beginning_of_a_name(host: Host) -> None:
    former = _two_generations(host)
    words = ("pin", "converge.toml", "app", former[:6], "--json")
    told = [json.loads(host.run(*words, *more).out) for more in ((), (), ("--remove",))]

    assert {(one["address"], one["generation"]) for one in told} == {("venv.app", former)}
    assert [(one["pinned"], one["changed"]) for one in told] == [
        (True, True), (True, False), (False, True),
    ]  # fmt: skip
    several = host.run("pin", "converge.toml", "app", "00000")
    assert several.code == 64
    assert "`00000` names more than one generation" in several.err
    assert former in several.err


def test_a_generation_to_pin_where_there_is_none_is_refused_in_whole_words(host: Host) -> None:
    host.declare(["alpha"])
    refused = host.run("pin", "converge.toml", "app", "000001")
    assert refused.code == 64
    assert "there is none yet" in refused.err


def test_what_is_declared_absent_goes_though_it_is_pinned(host: Host) -> None:
    _two_generations(host)
    assert host.run("pin", "converge.toml", "app").code == 0
    host.declare(state="absent")
    host.applied()
    assert not host.store.exists()


@pytest.mark.parametrize("note", [".converge/stats", ".converge/pylock.toml"])
def test_a_note_that_may_be_deleted_is_written_again(host: Host, note: str) -> None:
    host.declare(["alpha"])
    host.applied()
    (host.generation / note).unlink()
    host.settled()
    assert (host.generation / note).exists()


def test_without_its_state_folder_a_run_still_finds_nothing_to_do(host: Host) -> None:
    host.declare(["alpha"])
    host.applied()
    shutil.rmtree(host.folder / "state")
    host.settled()


def test_a_generation_without_its_receipt_is_made_anew(host: Host) -> None:
    host.declare(["alpha"])
    host.applied()
    before = host.generation
    (before / ".converge/receipt.json").unlink()
    assert host.apply().code == 0
    assert host.generation != before
    host.settled()


def test_a_live_one_that_lost_its_receipt_works_until_another_takes_its_place(host: Host) -> None:
    host.declare(["alpha<2"])
    host.applied()
    live = host.generation
    (live / ".converge/receipt.json").unlink()

    assert f"{live.name} has lost its receipt" in host.run("verify", "converge.toml").out
    host.declare(["alpha>9"])
    assert host.apply().code == 1
    assert host.run("gc", "converge.toml", "--keep", "0").code == 0
    assert host.python_says("import alpha") == ""
    host.declare(["alpha"])
    host.applied()

    assert host.generations() == [host.generation.name]
    assert host.generation != live
    host.settled()


def test_a_lost_seal_is_found_by_verify(host: Host) -> None:
    host.declare(["alpha"])
    host.applied()
    (host.generation / ".converge/seal.json").unlink()
    assert host.run("verify", "converge.toml").code == 1


def test_what_is_not_ours_among_our_notes_is_found_by_verify(host: Host) -> None:
    host.declare(["alpha"])
    host.applied()
    (host.generation / ".converge/planted").touch()
    done = host.run("verify", "converge.toml")
    assert done.code == 2
    assert ".converge/planted" in done.out


def test_release_after_a_changed_declaration_brings_the_new_one_back_without_building(
    host: Host,
) -> None:
    former = _two_generations(host)
    (latter,) = set(host.generations()) - {former}
    back = host.run("rollback", "converge.toml", "app")
    assert back.code == 0, back.err
    assert not host.applied().report["changed"]
    assert host.generation.name == former
    host.run("rollback", "converge.toml", "app", "--release")
    host.applied()
    assert host.generation.name == latter


def test_a_moved_environment_keeps_its_versions(host: Host) -> None:
    host.declare(["alpha<2"])
    host.applied()
    host.declare(["alpha"])
    host.applied()
    (host.folder / "venvs").rename(host.folder / "moved")
    host.declare(["alpha"], path="moved/app")
    looked = host.run("verify", "converge.toml")
    assert looked.code == 1
    assert f"made at `{host.folder}/venvs/" in looked.out
    host.applied()
    live = (host.folder / "moved/app").resolve()
    looked = host.run("verify", "converge.toml")
    assert looked.code == 0, looked.out
    assert list(live.glob("lib/*/site-packages/alpha-1.0.dist-info"))
    host.settled()
