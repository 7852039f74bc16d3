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

from engine.system.lock import hold_lock
from states.venv.generations.gc import collectable
from states.venv.generations.recovery import find_unfinished
from states.venv.layout import store_of
from tests.integration.host import Host
from tests.integration.mount_namespaces import mount_namespace
from tests.support.command import reasons


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


def test_undeletable_generation_doesnt_stop_apply(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta<2"], keep=0)
    host_with_wheels.apply_ok()
    with immutable(host_with_wheels, host_with_wheels.site / "beta/__init__.py"):
        host_with_wheels.declare(["beta==2.0"], keep=0)

        done = host_with_wheels.apply_ok()

        assert len(list_stuck(host_with_wheels)) == 1
        assert f"can't delete `{list_stuck(host_with_wheels)[0]}`" in done.err
        host_with_wheels.assert_no_changes()
        host_with_wheels.declare(["beta==2.0", "gamma"], keep=0)
        host_with_wheels.apply_ok()
        assert "can't delete" in host_with_wheels.run("gc", "converge.toml").err

    assert host_with_wheels.run("gc", "converge.toml").err == ""
    assert list_stuck(host_with_wheels) == []
    assert len(host_with_wheels.generations()) == 1


def test_mount_at_the_venv_path_is_refused(host_with_wheels: Host) -> None:
    host_with_wheels.venv.mkdir(parents=True)
    mounted = host_with_wheels.directory / "mounted"
    mounted.mkdir()
    (mounted / "precious").touch()
    host_with_wheels.declare(["beta"], adopt=True)
    with mount_namespace(
        f"mount --bind '{mounted}' '{host_with_wheels.venv}'", host_with_wheels.directory
    ) as prefix:
        refused = host_with_wheels.apply(prefix=prefix)

    assert refused.code == 1
    message = refused.first["error"]["message"]
    assert message == f"a file system is mounted there: `{host_with_wheels.venv}`"
    assert list(host_with_wheels.store.glob("adopted-*")) == []


def test_undeletable_unfinished_files_dont_stop_apply(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta<2"])
    host_with_wheels.apply_ok()
    unfinished = host_with_wheels.store / "trash-0a0b0c0d/some/deep/directory/inside"
    unfinished.mkdir(parents=True)
    (unfinished / "file").touch()
    with immutable(host_with_wheels, unfinished / "file"):
        host_with_wheels.assert_converges()

        assert len(list_stuck(host_with_wheels)) == 1

    assert host_with_wheels.run("gc", "converge.toml").code == 0
    assert list_stuck(host_with_wheels) == []


def test_stat_cache_is_current_after_a_hard_link_is_deleted(
    host_with_wheels: Host,
) -> None:
    """A killed `gc` can leave a hard link. Deleting it changes the ctime of the other name."""
    host_with_wheels.declare(["beta<2"])
    host_with_wheels.apply_ok()
    unfinished = host_with_wheels.store / "trash-0a0b0c0d"
    unfinished.mkdir()
    (unfinished / "file").hardlink_to(host_with_wheels.site / "beta/__init__.py")
    assert host_with_wheels.apply_ok().report["changed"]
    stat_cache = host_with_wheels.generation / ".converge/stats"
    written = stat_cache.stat().st_ino, stat_cache.stat().st_mtime_ns

    assert not host_with_wheels.apply_ok().report["changed"]

    assert (stat_cache.stat().st_ino, stat_cache.stat().st_mtime_ns) == written


def test_mount_in_unfinished_files_doesnt_stop_apply(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta<2"])
    host_with_wheels.apply_ok()
    mounted, unfinished = (
        host_with_wheels.directory / "mounted",
        host_with_wheels.store / "trash-0a0b0c0d/inside",
    )
    mounted.mkdir()
    (mounted / "file").touch()
    unfinished.mkdir(parents=True)
    with mount_namespace(
        f"mount --bind '{mounted}' '{unfinished}'", host_with_wheels.directory
    ) as prefix:
        done = host_with_wheels.apply_ok(prefix=prefix)

        assert f"can't delete `{list_stuck(host_with_wheels)[0]}`" in done.err
        assert not host_with_wheels.apply_ok(prefix=prefix).report["changed"]

    assert (mounted / "file").exists()
    assert host_with_wheels.run("gc", "converge.toml").code == 0
    assert list_stuck(host_with_wheels) == []


def test_mount_inside_a_venv_prevents_its_deletion(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"], persistent=["my data"])
    host_with_wheels.apply_ok()
    mounted = host_with_wheels.directory / "mounted"
    mounted.mkdir()
    (mounted / "file").touch()
    host_with_wheels.declare(state="absent")
    with mount_namespace(
        f"mount --bind '{mounted}' '{host_with_wheels.venv}/my data'", host_with_wheels.directory
    ) as prefix:
        refused = host_with_wheels.run("apply", "converge.toml", prefix=prefix)

        assert refused.code == 1
        assert "unmount it, or stop the processes that use it" in refused.out

    assert (mounted / "file").exists()
    host_with_wheels.assert_converges()
    assert not host_with_wheels.store.exists()


def test_directories_deeper_than_path_max_are_deleted(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta<2"], keep=0)
    host_with_wheels.apply_ok()
    create_deep_directories(host_with_wheels.site / "beta")

    repaired = host_with_wheels.assert_converges()
    host_with_wheels.declare(["beta==2.0"], keep=0)
    host_with_wheels.apply_ok()
    assert host_with_wheels.run("gc", "converge.toml").code == 0

    assert repaired["action"] == "repair"
    assert len(host_with_wheels.generations()) == 1
    host_with_wheels.declare(state="absent")
    create_deep_directories(host_with_wheels.site / "beta")
    host_with_wheels.assert_converges()
    assert not host_with_wheels.store.exists()


def create_deep_directories(root: Path) -> None:
    """Create more nested directories than a process can have open files."""
    parent = os.open(root, os.O_PATH)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=parent)
        child = os.open("deep", os.O_PATH, dir_fd=parent)
        os.close(parent)
        parent = child
    os.close(parent)


def test_gc_doesnt_list_undeletable_generation_as_removed(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta<2"])
    host_with_wheels.apply_ok()
    protected = host_with_wheels.site / "beta/__init__.py"
    host_with_wheels.declare(["beta==2.0"])
    host_with_wheels.apply_ok()
    with immutable(host_with_wheels, protected):
        collected = host_with_wheels.run("gc", "converge.toml", "--keep", "0", "--json")

    assert json.loads(collected.out)["removed"] == {"venv.app": []}
    assert "can't delete" in collected.err


@pytest.mark.parametrize("finished", [True, False])
def test_gc_reports_a_generation_that_cant_be_renamed(
    host_with_wheels: Host, finished: bool
) -> None:
    host_with_wheels.declare(["beta<2"])
    host_with_wheels.apply_ok()
    protected = host_with_wheels.generation
    host_with_wheels.declare(["beta==2.0"])
    host_with_wheels.apply_ok()
    if not finished:
        (protected / ".converge/receipt.json").unlink()
    with immutable(host_with_wheels, protected):
        collected = host_with_wheels.run("gc", "converge.toml", "--keep", "0")

        assert f"can't delete `{protected}`" in collected.err
    assert host_with_wheels.run("gc", "converge.toml", "--keep", "0", "--quiet").err == ""
    assert len(host_with_wheels.generations()) == 1


def test_live_generation_without_receipt_isnt_deleted(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["alpha==1.0"], keep=0)
    host_with_wheels.apply_ok()
    (host_with_wheels.generation / ".converge/receipt.json").unlink()

    assert host_with_wheels.run("gc", "converge.toml").out.endswith(
        "Gc: nothing to delete, 1 kept.\n"
    )
    host_with_wheels.declare(["alpha==1.0"], keep=0, smoke=["no-such-command"])
    assert host_with_wheels.apply().code == 1
    assert host_with_wheels.run_script("alpha") == "alpha 1.0"
    host_with_wheels.declare(["alpha==1.0"], keep=0)
    done = host_with_wheels.assert_converges()

    assert "its receipt is torn or missing" in reasons(done)["path"]
    assert len(host_with_wheels.generations()) == 1


@pytest.mark.parametrize("call", ["stat", "readlink"])
def test_unreadable_generation_isnt_deleted(
    host_with_wheels: Host, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A temporary I/O error must not cause the deletion of data."""
    for version in ("1.0", "2.0"):
        host_with_wheels.declare([f"beta=={version}"])
        host_with_wheels.apply_ok()
    store = store_of(str(host_with_wheels.venv))
    original = getattr(os, call)
    deletable = partial(collectable, keep=0, is_damaged=lambda _identifier: False)

    def failing(path: str, **options: Any) -> Any:
        if os.path.basename(path) in ("receipt.json", "app", "pinned"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return original(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing)
        for list_deletable in (find_unfinished, deletable):
            with pytest.raises(OSError, match="Input/output error"):
                list_deletable(store)
    assert deletable(store, keep=1) == find_unfinished(store) == []


def test_gc_reports_and_deletes_unfinished_files(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta<2"])
    host_with_wheels.apply_ok()
    unfinished = ["generations/000009-abcdef00", "trash-0a0b0c0d"]
    for name in unfinished:
        (host_with_wheels.store / name).mkdir()

    planned = host_with_wheels.run("gc", "converge.toml", "--dry-run", "--json")
    printed = host_with_wheels.run("gc", "converge.toml", "--dry-run").out
    assert (host_with_wheels.store / unfinished[0]).is_dir()
    done = host_with_wheels.run("gc", "converge.toml", "--json")

    assert json.loads(planned.out)["unfinished"] == {"venv.app": unfinished}
    assert f"- venv.app  {unfinished[0]} (unfinished)  would be deleted\n" in printed
    assert json.loads(done.out)["unfinished"] == {"venv.app": unfinished}
    assert not any((host_with_wheels.store / name).exists() for name in unfinished)
    assert host_with_wheels.run("gc", "converge.toml").out.endswith(
        "Gc: nothing to delete, 1 kept.\n"
    )


def test_gc_dry_run_skips_a_generation_being_built(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta<2"])
    host_with_wheels.apply_ok()
    (host_with_wheels.store / "generations/000009-abcdef00").mkdir()
    with hold_lock(lambda: str(host_with_wheels.store / "lock"), 1):
        planned = host_with_wheels.run("gc", "converge.toml", "--dry-run")

    assert planned.out.rpartition(",")[0].endswith("Gc: nothing to delete")
