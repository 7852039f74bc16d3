"""Files that converge can't delete don't stop apply or gc."""

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
    """Make a file immutable, even for root and after a rename within the store."""
    if os.geteuid() != 0 or subprocess.run(["chattr", "+i", path], check=False).returncode:
        pytest.skip("files can't be made immutable here")
    inode = path.stat().st_ino
    try:
        yield
    finally:
        for candidate in host.store.rglob(path.name):
            if candidate.lstat().st_ino == inode:
                subprocess.run(["chattr", "-i", candidate], check=True)


def list_stuck(host: Host) -> list[Path]:
    """Return the undeletable entries that were renamed to `stuck-*`."""
    return list(host.store.glob("stuck-*"))


def test_undeletable_generation_doesnt_stop_apply(stocked: Host) -> None:
    stocked.declare(["beta<2"], keep=0)
    stocked.applied()
    with immutable(stocked, stocked.site / "beta/__init__.py"):
        stocked.declare(["beta==2.0"], keep=0)

        done = stocked.applied()

        assert len(list_stuck(stocked)) == 1
        assert f"`{list_stuck(stocked)[0]}` cannot be removed" in done.err
        stocked.settled()
        stocked.declare(["beta==2.0", "gamma"], keep=0)
        stocked.applied()
        assert "cannot be removed" in stocked.run("gc", "converge.toml").err

    assert stocked.run("gc", "converge.toml").err == ""
    assert list_stuck(stocked) == []
    assert len(stocked.generations()) == 1


def test_mount_at_the_venv_path_is_reported_as_busy(stocked: Host) -> None:
    stocked.venv.mkdir(parents=True)
    mounted = stocked.folder / "mounted"
    mounted.mkdir()
    (mounted / "precious").touch()
    stocked.declare(["beta"], adopt=True)
    with room(f"mount --bind '{mounted}' '{stocked.venv}'", stocked.folder) as inside:
        refused = stocked.apply(prefix=inside)

    assert refused.code == 1
    assert refused.first["error"]["message"].endswith(f"busy: `{stocked.venv}`")
    assert list(stocked.store.glob("foreign-*")) == []


def test_undeletable_unfinished_files_dont_stop_apply(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    unfinished = stocked.store / "trash-0a0b0c0d/some/deep/directory/inside"
    unfinished.mkdir(parents=True)
    (unfinished / "file").touch()
    with immutable(stocked, unfinished / "file"):
        stocked.converges()

        assert len(list_stuck(stocked)) == 1

    assert stocked.run("gc", "converge.toml").code == 0
    assert list_stuck(stocked) == []


def test_stat_cache_is_current_after_a_hard_link_is_deleted(
    stocked: Host,
) -> None:
    """A killed `gc` can leave a hard link. Deleting it changes the ctime of the other name."""
    stocked.declare(["beta<2"])
    stocked.applied()
    unfinished = stocked.store / "trash-0a0b0c0d"
    unfinished.mkdir()
    (unfinished / "file").hardlink_to(stocked.site / "beta/__init__.py")
    assert stocked.applied().report["changed"]
    stat_cache = stocked.generation / ".converge/stats"
    written = stat_cache.stat().st_ino, stat_cache.stat().st_mtime_ns

    assert not stocked.applied().report["changed"]

    assert (stat_cache.stat().st_ino, stat_cache.stat().st_mtime_ns) == written


def test_mount_in_unfinished_files_doesnt_stop_apply(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    mounted, unfinished = stocked.folder / "mounted", stocked.store / "trash-0a0b0c0d/inside"
    mounted.mkdir()
    (mounted / "file").touch()
    unfinished.mkdir(parents=True)
    with room(f"mount --bind '{mounted}' '{unfinished}'", stocked.folder) as inside:
        done = stocked.applied(prefix=inside)

        assert f"`{list_stuck(stocked)[0]}` cannot be removed" in done.err
        assert not stocked.applied(prefix=inside).report["changed"]

    assert (mounted / "file").exists()
    assert stocked.run("gc", "converge.toml").code == 0
    assert list_stuck(stocked) == []


def test_mount_inside_a_venv_prevents_its_deletion(stocked: Host) -> None:
    stocked.declare(["beta"], persistent=["my data"])
    stocked.applied()
    mounted = stocked.folder / "mounted"
    mounted.mkdir()
    (mounted / "file").touch()
    stocked.declare(state="absent")
    with room(f"mount --bind '{mounted}' '{stocked.venv}/my data'", stocked.folder) as inside:
        refused = stocked.run("apply", "converge.toml", prefix=inside)

        assert refused.code == 1
        assert "something is mounted there" in refused.out

    assert (mounted / "file").exists()
    stocked.converges()
    assert not stocked.store.exists()


def test_directories_deeper_than_path_max_are_deleted(stocked: Host) -> None:
    stocked.declare(["beta<2"], keep=0)
    stocked.applied()
    create_deep_directories(stocked.site / "beta")

    repaired = stocked.converges()
    stocked.declare(["beta==2.0"], keep=0)
    stocked.applied()
    assert stocked.run("gc", "converge.toml").code == 0

    assert repaired["action"] == "repair"
    assert len(stocked.generations()) == 1
    stocked.declare(state="absent")
    create_deep_directories(stocked.site / "beta")
    stocked.converges()
    assert not stocked.store.exists()


def create_deep_directories(root: Path) -> None:
    """Create more nested directories than a process can have open files."""
    parent = os.open(root, os.O_PATH)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=parent)
        child = os.open("deep", os.O_PATH, dir_fd=parent)
        os.close(parent)
        parent = child
    os.close(parent)


def test_gc_doesnt_list_undeletable_generation_as_removed(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    protected = stocked.site / "beta/__init__.py"
    stocked.declare(["beta==2.0"])
    stocked.applied()
    with immutable(stocked, protected):
        collected = stocked.run("gc", "converge.toml", "--keep", "0", "--json")

    assert json.loads(collected.out)["removed"] == {"venv.app": []}
    assert "cannot be removed" in collected.err


@pytest.mark.parametrize("finished", [True, False])
def test_gc_reports_a_generation_that_cant_be_renamed(stocked: Host, finished: bool) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    protected = stocked.generation
    stocked.declare(["beta==2.0"])
    stocked.applied()
    if not finished:
        (protected / ".converge/receipt.json").unlink()
    with immutable(stocked, protected):
        collected = stocked.run("gc", "converge.toml", "--keep", "0")

        assert f"`{protected}` cannot be removed" in collected.err
    assert stocked.run("gc", "converge.toml", "--keep", "0", "--quiet").err == ""
    assert len(stocked.generations()) == 1


def test_live_generation_without_receipt_isnt_deleted(stocked: Host) -> None:
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
def test_unreadable_generation_isnt_deleted(
    stocked: Host, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A temporary I/O error must not cause the deletion of data."""
    for version in ("1.0", "2.0"):
        stocked.declare([f"beta=={version}"])
        stocked.applied()
    store = store_of(str(stocked.venv))
    original = getattr(os, call)

    def failing(path: str, **options: Any) -> Any:
        if os.path.basename(path) in ("receipt.json", "app", "pinned"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return original(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing)
        for list_deletable in (leftovers, partial(retirable, keep=0)):
            with pytest.raises(OSError, match="Input/output error"):
                list_deletable(store)
    assert retirable(store, keep=1) == leftovers(store) == []


def test_gc_reports_and_deletes_unfinished_files(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    unfinished = ["generations/000009-abcdef00", "trash-0a0b0c0d"]
    for name in unfinished:
        (stocked.store / name).mkdir()

    planned = stocked.run("gc", "converge.toml", "--dry-run", "--json")
    printed = stocked.run("gc", "converge.toml", "--dry-run").out
    assert (stocked.store / unfinished[0]).is_dir()
    done = stocked.run("gc", "converge.toml", "--json")

    assert json.loads(planned.out)["leftovers"] == {"venv.app": unfinished}
    assert f"- venv.app {unfinished[0]}, left by an interrupted run, would be removed\n" in printed
    assert json.loads(done.out)["leftovers"] == {"venv.app": unfinished}
    assert not any((stocked.store / name).exists() for name in unfinished)
    assert stocked.run("gc", "converge.toml").out == "nothing to remove\n"


def test_gc_dry_run_skips_a_generation_being_built(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    (stocked.store / "generations/000009-abcdef00").mkdir()
    with holding(lambda: str(stocked.store / "lock"), 1):
        planned = stocked.run("gc", "converge.toml", "--dry-run")

    assert planned.out == "nothing to remove\n"
