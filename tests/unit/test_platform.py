"""Facts that are read from the kernel about this process and others."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.system import linux, processes
from states.venv.generations import removal

MISSING = 2**22 + 1
"""An ID that no process can have."""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python process in an empty directory, with the file `lock` locked and mapped."""
    program = (
        "import mmap; file = open('lock'); mapping = mmap.mmap(file.fileno(), 1, prot=1); "
        "file.close(); print(flush=True); input()"
    )
    (tmp_path / "lock").write_text("content")
    with (tmp_path / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        process = subprocess.Popen(
            [sys.executable, "-c", program], cwd=tmp_path, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, pass_fds=[file.fileno()],
        )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.communicate(b"\n")


def test_locked_and_mapped_file_is_found_after_its_deletion(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    status = (tmp_path / "lock").stat()
    (tmp_path / "lock").unlink()
    for uses_file in (processes.holds_lock, processes.maps_file):
        assert uses_file(child.pid, status)
        assert not uses_file(child.pid, tmp_path.stat())
        assert not uses_file(MISSING, status)


def test_unreadable_list_of_locks_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a lock would count as free, for example if too many files are open."""

    def failing(path: str, *_arguments: object) -> object:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)

    monkeypatch.setattr("builtins.open", failing)
    with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
        processes.flock_owners(tmp_path.stat())


def test_process_uses_the_directories_of_its_files(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    program = os.path.dirname(sys.executable)
    assert processes.opens_directory(child.pid, str(tmp_path))
    assert processes.opens_directory(child.pid, os.path.realpath(tmp_path / ".."))
    assert not processes.opens_directory(child.pid, f"{tmp_path}-other")
    assert processes.refers_to_directory(child.pid, str(tmp_path))
    assert processes.refers_to_directory(child.pid, program)
    assert not processes.refers_to_directory(child.pid, f"{tmp_path}-other")


def test_process_can_have_a_file_with_a_path_that_is_too_long(tmp_path: Path) -> None:
    program = (
        "import os\nfor _ in range(25): os.mkdir('x' * 200); os.chdir('x' * 200)\n"
        "os.open('.', os.O_RDONLY); print(flush=True); input()\n"
        "for _ in range(25): os.chdir('..'); os.rmdir('x' * 200)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        is_used = processes.opens_directory(process.pid, f"{tmp_path}-other")
        process.communicate(b"\n")

    assert not is_used
    assert list(tmp_path.iterdir()) == []


def test_process_that_sleeps_is_not_stuck(child: subprocess.Popen[bytes]) -> None:
    assert processes.find_stuck([child.pid, MISSING]) == set()


def test_process_that_waits_in_the_kernel_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one that maps a file of a server that doesn't answer."""
    states = iter([b"D", b"R", b"D", b"D"])
    monkeypatch.setattr(processes, "_list", lambda _: ["1"])
    monkeypatch.setattr(processes, "_read", lambda _: b"1 (a) R) " + next(states, b"D") + b" 0")

    assert processes.find_stuck([1, 2]) == {1}


def test_list_contains_other_processes(child: subprocess.Popen[bytes]) -> None:
    pids = processes.list_pids()
    assert child.pid in pids
    assert os.getpid() not in pids


def test_missing_process_has_a_description() -> None:
    assert processes.describe(MISSING) == f"pid {MISSING}"
    assert not processes.opens_directory(MISSING, "/")
    assert not processes.refers_to_directory(MISSING, "/")


def test_mount_points_contain_proc() -> None:
    assert b"/proc" in (linux.mount_points() or [])


def test_mount_points_are_detected_without_proc(tmp_path: Path) -> None:
    assert linux.is_mount_point("/proc")
    assert not linux.is_mount_point(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        linux.is_mount_point(str(tmp_path / "missing"))


def test_unknown_mount_points_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older kernel reports no such attribute, which doesn't mean that nothing is mounted."""
    monkeypatch.setattr(linux, "_statx", lambda _libc: lambda *_arguments: 0)
    with pytest.raises(OSError, match=os.strerror(errno.EOPNOTSUPP)):
        linux.is_mount_point(str(tmp_path))


def test_directory_with_unknown_mounts_is_not_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "directory/inside").mkdir(parents=True)
    monkeypatch.setattr(removal, "mount_points", lambda: None)
    monkeypatch.setattr(linux, "_statx", lambda _libc: lambda *_arguments: 0)
    with pytest.raises(OSError, match="isn't known whether a file system is mounted inside"):
        removal.delete(str(tmp_path / "directory"))
    assert (tmp_path / "directory/inside").exists()


def test_boot_id_is_stable() -> None:
    assert linux.boot_id() == linux.boot_id()


def test_cpu_count_is_positive() -> None:
    assert 1 <= linux.cpu_count() <= (os.cpu_count() or 1)
