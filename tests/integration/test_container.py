"""In a container, what came with its image can be removed and replaced, but not renamed."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from engine import syscalls
from states.venv.store import current, leftovers, prepare, publish, store_of
from tests.integration.host import Host
from tests.integration.rooms import image, room, small_disk


def test_generations_that_came_with_an_image_are_collected(stocked: Host) -> None:
    for version in ("1.0", "1.1"):
        stocked.declare([f"alpha=={version}"])
        stocked.applied()
    stocked.declare(["alpha==1.0", "beta<2"], keep=0)
    with room(image(stocked.folder), stocked.folder) as inside:
        done = stocked.applied(prefix=inside)
        again = stocked.applied(prefix=inside)
        told = stocked.run("history", "converge.toml", "app", prefix=inside)
        verified = stocked.run("verify", "converge.toml", prefix=inside)

    assert done.report["changed"]
    assert not again.report["changed"]
    assert [line for line in told.out.splitlines() if "000001-" in line] == []
    assert verified.code == 0, verified.out


def test_a_folder_of_another_tools_that_came_with_an_image_is_left_and_a_way_is_told(
    stocked: Host,
) -> None:
    stocked.declare(["beta<2"], adopt=True)
    stocked.venv.mkdir(parents=True)
    (stocked.venv / "precious").touch()
    with room(image(stocked.folder), stocked.folder) as inside:
        refused = stocked.apply(prefix=inside)
        there = subprocess.run(
            [*inside, "ls", str(stocked.venv)], stdout=subprocess.PIPE, text=True
        )
        copied = 'cp -a "$1" "$1.copy" && rm -r "$1" && mv "$1.copy" "$1"'
        subprocess.run([*inside, "sh", "-c", copied, "sh", str(stocked.venv)], check=True)
        taken = stocked.applied(prefix=inside)

    assert refused.code == 1
    assert refused.first["error"]["message"].endswith(f"cross-device link: `{stocked.venv}`")
    assert "`cp -a`" in refused.first["error"]["hint"]
    assert there.stdout == "precious\n"
    assert taken.report["changed"]


def test_inode_numbers_with_the_highest_bit_are_remembered(stocked: Host) -> None:
    """So overlayfs tells apart what comes from several file systems, as on a live medium."""
    stocked.declare(["beta<2"])
    stocked.applied()
    with room(image(stocked.folder, "xino=on"), stocked.folder) as inside:

        def shown(form: str, name: str) -> str:
            words = [*inside, "stat", "-c", form, str(stocked.generation / name)]
            return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout

        if int(shown("%i", "pyvenv.cfg")) < 1 << 63:
            pytest.skip("the numbers of the file system below leave no bit for that")
        stocked.applied(prefix=inside)
        noted = shown("%i %z", ".converge/stats")
        again = stocked.applied(prefix=inside)

        assert not again.report["changed"]
        assert shown("%i %z", ".converge/stats") == noted


def test_a_store_that_is_a_disk_of_its_own_is_told(stocked: Host) -> None:
    stocked.declare(["beta"])
    stocked.store.mkdir(parents=True)
    with room(small_disk(stocked.store, "8m"), stocked.folder) as inside:
        refused = stocked.apply(prefix=inside)

    assert refused.code == 1
    assert refused.first["error"]["message"].endswith(f"cross-device link: `{stocked.venv}`")
    assert "another file system" in refused.first["error"]["hint"]


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSYS])
def test_an_empty_folder_is_no_hindrance_where_names_cannot_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As on some that a container shares with its host."""

    def refused(one: str, _: str) -> None:
        raise OSError(number, os.strerror(number), one)

    monkeypatch.setattr(syscalls, "exchange", refused)
    path = tmp_path / "app"
    store = store_of(str(path))
    prepare(store, str(path))
    path.mkdir()
    (path / "precious").touch()
    with pytest.raises(OSError, match=os.strerror(number)):
        publish(store, "000001-0a0b0c0d")
    assert os.listdir(path) == ["precious"]
    (path / "precious").unlink()
    publish(store, "000001-0a0b0c0d")

    assert current(store) == "000001-0a0b0c0d"
    assert leftovers(store) == []


def test_an_empty_folder_that_came_with_an_image_is_no_hindrance(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.venv.mkdir(parents=True)
    with room(image(stocked.folder), stocked.folder) as inside:
        stocked.applied(prefix=inside)
        again = stocked.applied(prefix=inside)

    assert not again.report["changed"]
