"""Locks exclude other processes, and errors name the process that holds a lock."""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import progress
from engine.errors import LockTimeout
from engine.system import atomic_write
from engine.system.atomic_write import write_atomic
from engine.system.lock import FileLock, hold_lock, inherited_fds, is_held
from tests.unit.cli_runner import CliRunner
from tests.unit.subprocesses import LockHolder
from tests.unit.widget_kind import widget_registry


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@pytest.fixture
def holder(lock: Path) -> Iterator[LockHolder]:
    """Hold the lock in another process."""
    lock_holder = LockHolder(lock)
    yield lock_holder
    lock_holder.release()


def test_lock_error_names_the_holder(lock: Path, holder: LockHolder) -> None:
    with pytest.raises(LockTimeout) as caught, hold_lock(lambda: str(lock), 0):
        raise AssertionError("two processes hold the lock")
    user = pwd.getpwuid(os.getuid()).pw_name
    prefix = re.escape(f"`{lock}` is locked by pid {holder.process.pid} of {user} since ")
    assert re.match(prefix + r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(`\S+ -c ", caught.value.message)
    assert caught.value.hint is not None
    assert "--lock-timeout" in caught.value.hint
    assert (caught.value.code, caught.value.retryable) == (75, True)


def test_lock_is_acquired_after_its_release(lock: Path) -> None:
    holder = LockHolder(lock)
    waiting: list[str] = []

    class Listener(progress.Reporter):
        def step(self, address: str, text: str) -> None:
            waiting.append(text)
            holder.release()

    progress.set_reporter(Listener())
    try:
        with hold_lock(lambda: str(lock), 60, progress.step):
            assert holder.process.returncode == 0
    finally:
        progress.set_reporter(progress.Reporter())
    assert waiting == [f"waiting for the lock, held by {waiting[0].partition('held by ')[2]}"]
    assert f"pid {holder.process.pid} of" in waiting[0]


def test_lock_is_kept_by_a_child_of_a_killed_process(lock: Path) -> None:
    holder = LockHolder(lock, "child")
    holder.process.kill()
    holder.process.wait(30)
    try:
        assert is_held(str(lock))
        with (
            pytest.raises(LockTimeout, match=r"locked by pid \d+ of ") as caught,
            hold_lock(lambda: str(lock), 0),
        ):
            raise AssertionError("two processes hold the lock")
        assert f"pid {holder.process.pid} " not in caught.value.message
    finally:
        assert holder.process.stdin is not None
        holder.process.stdin.close()
    with hold_lock(lambda: str(lock), 30):
        assert len(inherited_fds()) == 1


def test_lock_of_a_killed_process_is_released(lock: Path) -> None:
    holder = LockHolder(lock)
    holder.process.kill()
    holder.process.wait(30)
    assert not is_held(str(lock))
    with hold_lock(lambda: str(lock), 0):
        pass


def test_lock_is_released_after_an_exception(lock: Path) -> None:
    with pytest.raises(ZeroDivisionError), hold_lock(lambda: str(lock), 0):
        raise ZeroDivisionError
    assert inherited_fds() == ()
    assert not is_held(str(lock))


def test_every_held_lock_is_inherited(tmp_path: Path) -> None:
    with hold_lock(lambda: str(tmp_path / "a"), 0), hold_lock(lambda: str(tmp_path / "b"), 0):
        assert len(inherited_fds()) == 2
        assert [os.fstat(descriptor).st_ino for descriptor in inherited_fds()] == [
            (tmp_path / name).stat().st_ino for name in "ab"
        ]


def test_lock_without_a_path_is_not_taken(tmp_path: Path) -> None:
    with hold_lock(lambda: None, 0):
        assert inherited_fds() == ()
    assert list(tmp_path.iterdir()) == []


def test_lock_is_retried_if_its_directory_disappears(lock: Path) -> None:
    """Another process may delete the store at that moment."""
    calls = []

    def find_lock() -> str:
        calls.append(lock)
        if len(calls) == 1:
            raise FileNotFoundError(2, "No such file or directory", str(lock.parent))
        return str(lock)

    with hold_lock(find_lock, 0):
        assert lock.exists()


def test_is_held_ignores_locks_of_this_process(lock: Path) -> None:
    with hold_lock(lambda: str(lock), 0):
        assert not is_held(str(lock))


def test_is_held_does_not_block_other_processes(lock: Path) -> None:
    """`is_held` takes a shared lock briefly, and taking the lock tolerates that."""
    lock.touch()
    with lock.open("rb") as observer:
        fcntl.flock(observer, fcntl.LOCK_SH)
        timer = threading.Timer(0.02, fcntl.flock, (observer, fcntl.LOCK_UN))
        timer.start()
        with hold_lock(lambda: str(lock), 0):
            assert len(inherited_fds()) == 1
        timer.join()


def test_is_held_creates_no_file(lock: Path) -> None:
    assert not is_held(str(lock))
    assert not lock.exists()


def test_replaced_lock_file_is_not_the_lock(lock: Path) -> None:
    """A lock on an unlinked file excludes no other process."""
    with hold_lock(lambda: str(lock), 0):
        lock.unlink()
        with hold_lock(lambda: str(lock), 0):
            assert os.fstat(inherited_fds()[-1]).st_ino == lock.stat().st_ino


def test_symlinked_lock_file_is_refused(lock: Path, tmp_path: Path) -> None:
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"), hold_lock(lambda: str(lock), 0):
        raise AssertionError
    assert not (tmp_path / "elsewhere").exists()


def test_command_with_a_locked_resource_exits_75(cli: CliRunner) -> None:
    cli.declare_widgets("a", "b")
    cli.registry = lambda: widget_registry(locked=True)
    holder = LockHolder(cli.directory / "a.lock")
    try:
        result = cli.run("apply", "--json", "--lock-timeout", "0", "--only", "widget.a")
        assert (result.code, result.report["exit"]["retryable"]) == (75, True)
        assert f"pid {holder.process.pid} " in result.resource("widget.a")["error"]["message"]
        assert cli.read_widget("a") is None
        assert cli.run("plan").code == 0, "a plan takes no lock"
    finally:
        holder.release()
    assert cli.run("apply", "--lock-timeout", "0").code == 0


def test_concurrent_runs_are_serialized(cli: CliRunner) -> None:
    """Two processes write repeatedly, and the final content is that of one of them."""
    from engine.converge import converge
    from engine.strategy.actions import Apply

    cli.declare('[widget.a]\npath = "a"\ntext = "first"\n', "first.toml")
    cli.declare('[widget.a]\npath = "a"\ntext = "second"\n', "second.toml")
    pids = []
    for name in ("first.toml", "second.toml"):
        pid = os.fork()
        if pid == 0:
            kinds = widget_registry(locked=True).kinds
            results = [converge(cli.load(name), kinds, Apply(60)) for _ in range(20)]
            os._exit(any(result.outcome == "failed" for (result,) in results))
        pids.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0, 0]
    widget = cli.read_widget("a")
    assert widget is not None
    assert widget["text"] in ("first", "second")


def test_lock_wait_ends_at_the_timeout(lock: Path, holder: LockHolder) -> None:
    start = time.monotonic()
    with pytest.raises(LockTimeout, match="locked by"), hold_lock(lambda: str(lock), 0.2):
        raise AssertionError
    assert time.monotonic() - start >= 0.2


def test_lock_error_names_the_file(tmp_path: Path) -> None:
    with (
        FileLock(str(tmp_path), os.O_PATH) as file_lock,
        pytest.raises(OSError, match="Bad file descriptor") as caught,
    ):
        file_lock.try_acquire()
    assert caught.value.filename == str(tmp_path)


def test_shared_locks_exclude_only_exclusive_ones(lock: Path) -> None:
    lock.touch()
    with FileLock(str(lock)) as first, FileLock(str(lock)) as second:
        assert first.try_acquire(shared=True)
        assert second.try_acquire(shared=True)
        assert not second.try_acquire()


def test_lock_of_a_directory_times_out(tmp_path: Path) -> None:
    with FileLock(str(tmp_path)) as first, FileLock(str(tmp_path)) as second:
        first.acquire()
        with pytest.raises(BlockingIOError) as caught:
            second.acquire(timeout_s=0.02)
        assert caught.value.filename == str(tmp_path)
        first.release()
        second.acquire(timeout_s=0.02)


def test_atomic_write_waits_unless_the_caller_holds_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_write, "_WRITE_TIMEOUT_S", 0.02)
    with FileLock(str(tmp_path)) as other:
        other.acquire()
        with pytest.raises(BlockingIOError):
            write_atomic(str(tmp_path / "a"), b"new")
        write_atomic(str(tmp_path / "a"), b"new", locked=True)
    assert (tmp_path / "a").read_bytes() == b"new"
