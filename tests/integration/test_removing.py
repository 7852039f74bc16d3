"""What cannot be removed is in nobody's way."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.lock import holding
from states.venv.retiring import retirable
from states.venv.store import leftovers, store_of
from tests.integration.host import Host, reasons
from tests.integration.rooms import room


@contextmanager
def immutable(host: Host, path: Path) -> Iterator[None]:
    """Forbid everybody, root included, to remove a file, wherever in the store it is put."""
    if os.geteuid() != 0 or subprocess.run(["chattr", "+i", path], check=False).returncode:
        pytest.skip("files cannot be made immutable here")
    inode = path.stat().st_ino
    try:
        yield
    finally:
        for one in host.store.rglob(path.name):
            if one.lstat().st_ino == inode:
                subprocess.run(["chattr", "-i", one], check=True)


def stuck(host: Host) -> list[Path]:
    """Return what was put aside."""
    return list(host.store.glob("stuck-*"))


def test_a_former_generation_that_cannot_be_removed_stops_nothing(stocked: Host) -> None:
    stocked.declare(["beta<2"], keep=0)
    stocked.applied()
    with immutable(stocked, stocked.site / "beta/__init__.py"):
        stocked.declare(["beta==2.0"], keep=0)

        done = stocked.applied()

        assert len(stuck(stocked)) == 1
        assert f"`{stuck(stocked)[0]}` cannot be removed" in done.err
        stocked.settled()
        stocked.declare(["beta==2.0", "gamma"], keep=0)
        stocked.applied()
        assert "cannot be removed" in stocked.run("gc", "converge.toml").err

    assert stocked.run("gc", "converge.toml").err == ""
    assert stuck(stocked) == []
    assert len(stocked.generations()) == 1


def test_what_is_mounted_at_the_path_is_named_and_nothing_left_over(stocked: Host) -> None:
    stocked.venv.mkdir(parents=True)
    mine = stocked.folder / "mine"
    mine.mkdir()
    (mine / "precious").touch()
    stocked.declare(["beta"], adopt=True)
    with room(f"mount --bind '{mine}' '{stocked.venv}'", stocked.folder) as inside:
        refused = stocked.apply(prefix=inside)

    assert refused.code == 1
    assert refused.first["error"]["message"].endswith(f"busy: `{stocked.venv}`")
    assert list(stocked.store.glob("foreign-*")) == []


def test_what_an_interrupted_run_left_and_cannot_be_removed_stops_nothing(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    left = stocked.store / "trash-0a0b0c0d/some/deep/folder/inside"
    left.mkdir(parents=True)
    (left / "file").touch()
    with immutable(stocked, left / "file"):
        stocked.converges()

        assert len(stuck(stocked)) == 1

    assert stocked.run("gc", "converge.toml").code == 0
    assert stuck(stocked) == []


def test_a_left_over_that_shared_a_file_leaves_nothing_to_note_for_the_run_after(
    stocked: Host,
) -> None:
    """As a killed `gc` leaves one: to remove it changes how the other name of the file looks."""
    stocked.declare(["beta<2"])
    stocked.applied()
    left = stocked.store / "trash-0a0b0c0d"
    left.mkdir()
    (left / "file").hardlink_to(stocked.site / "beta/__init__.py")
    assert stocked.applied().report["changed"]
    memory = stocked.generation / ".converge/stats"
    written = memory.stat().st_ino, memory.stat().st_mtime_ns

    assert not stocked.applied().report["changed"]

    assert (memory.stat().st_ino, memory.stat().st_mtime_ns) == written


def test_what_something_is_mounted_on_stops_nothing(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    mine, left = stocked.folder / "mine", stocked.store / "trash-0a0b0c0d/inside"
    mine.mkdir()
    (mine / "file").touch()
    left.mkdir(parents=True)
    with room(f"mount --bind '{mine}' '{left}'", stocked.folder) as inside:
        done = stocked.applied(prefix=inside)

        assert f"`{stuck(stocked)[0]}` cannot be removed" in done.err
        assert not stocked.applied(prefix=inside).report["changed"]

    assert (mine / "file").exists()
    assert stocked.run("gc", "converge.toml").code == 0
    assert stuck(stocked) == []


def test_what_is_mounted_in_an_environment_does_not_go_with_it(stocked: Host) -> None:
    stocked.declare(["beta"], persistent=["my data"])
    stocked.applied()
    mine = stocked.folder / "mine"
    mine.mkdir()
    (mine / "file").touch()
    stocked.declare(state="absent")
    with room(f"mount --bind '{mine}' '{stocked.venv}/my data'", stocked.folder) as inside:
        refused = stocked.run("apply", "converge.toml", prefix=inside)

        assert refused.code == 1
        assert "something is mounted there" in refused.out

    assert (mine / "file").exists()
    stocked.converges()
    assert not stocked.store.exists()


def test_folders_deeper_than_a_path_can_name_stop_nothing(stocked: Host) -> None:
    stocked.declare(["beta<2"], keep=0)
    stocked.applied()
    dig(stocked.site / "beta")

    repaired = stocked.converges()
    stocked.declare(["beta==2.0"], keep=0)
    stocked.applied()
    assert stocked.run("gc", "converge.toml").code == 0

    assert repaired["action"] == "repair"
    assert len(stocked.generations()) == 1
    stocked.declare(state="absent")
    dig(stocked.site / "beta")
    stocked.converges()
    assert not stocked.store.exists()


def dig(folder: Path) -> None:
    """Make folders in folders, more of them than a program may have files open."""
    here = os.open(folder, os.O_PATH)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=here)
        there = os.open("deep", os.O_PATH, dir_fd=here)
        os.close(here)
        here = there
    os.close(here)


def test_what_could_not_be_removed_is_not_told_as_removed(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    protected = stocked.site / "beta/__init__.py"
    stocked.declare(["beta==2.0"])
    stocked.applied()
    with immutable(stocked, protected):
        tried = stocked.run("gc", "converge.toml", "--keep", "0", "--json")

    assert json.loads(tried.out)["removed"] == {"venv.app": []}
    assert "cannot be removed" in tried.err


@pytest.mark.parametrize("finished", [True, False])
def test_what_cannot_even_be_put_aside_is_told_where_it_is(stocked: Host, finished: bool) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    protected = stocked.generation
    stocked.declare(["beta==2.0"])
    stocked.applied()
    if not finished:
        (protected / ".converge/receipt.json").unlink()
    with immutable(stocked, protected):
        tried = stocked.run("gc", "converge.toml", "--keep", "0")

        assert f"`{protected}` cannot be removed" in tried.err
    assert stocked.run("gc", "converge.toml", "--keep", "0", "--quiet").err == ""
    assert len(stocked.generations()) == 1


def test_what_is_live_is_no_left_over_though_its_receipt_is_gone(stocked: Host) -> None:
    stocked.declare(["alpha==1.0"], keep=0)
    stocked.applied()
    (stocked.generation / ".converge/receipt.json").unlink()

    assert stocked.run("gc", "converge.toml").out == "nothing to remove\n"
    stocked.declare(["alpha==1.0"], keep=0, smoke=["no-such-command"])
    assert stocked.apply().code == 1
    assert stocked.script("alpha") == "alpha 1.0"
    stocked.declare(["alpha==1.0"], keep=0)
    done = stocked.converges()

    assert "its receipt is torn or missing" in reasons(done)["path"]
    assert len(stocked.generations()) == 1


@pytest.mark.parametrize("call", ["lstat", "readlink"])
def test_what_cannot_be_looked_at_is_no_left_over(
    stocked: Host, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A disk that fails for a moment must not cost what is on it."""
    for version in ("1.0", "2.0"):
        stocked.declare([f"beta=={version}"])
        stocked.applied()
    store = store_of(str(stocked.venv))
    truly = getattr(os, call)

    def failing(path: str, **how: Any) -> Any:
        if os.path.basename(path) in ("receipt.json", "app", "pinned"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return truly(path, **how)

    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing)
        for look in (leftovers, partial(retirable, keep=0)):
            with pytest.raises(OSError, match="Input/output error"):
                look(store)
    assert retirable(store, keep=1) == leftovers(store) == []


def test_what_an_interrupted_run_left_is_foretold_and_told(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    left = ["generations/000009-abcdef00", "trash-0a0b0c0d"]
    for name in left:
        (stocked.store / name).mkdir()

    foretold = stocked.run("gc", "converge.toml", "--dry-run", "--json")
    words = stocked.run("gc", "converge.toml", "--dry-run").out
    assert (stocked.store / left[0]).is_dir()
    done = stocked.run("gc", "converge.toml", "--json")

    assert json.loads(foretold.out)["leftovers"] == {"venv.app": left}
    assert f"- venv.app {left[0]}, left by an interrupted run, would be removed\n" in words
    assert json.loads(done.out)["leftovers"] == {"venv.app": left}
    assert not any((stocked.store / name).exists() for name in left)
    assert stocked.run("gc", "converge.toml").out == "nothing to remove\n"


def test_what_an_engine_is_making_now_is_not_foretold_as_left(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    (stocked.store / "generations/000009-abcdef00").mkdir()
    with holding(lambda: str(stocked.store / "lock"), 1):
        foretold = stocked.run("gc", "converge.toml", "--dry-run")

    assert foretold.out == "nothing to remove\n"
