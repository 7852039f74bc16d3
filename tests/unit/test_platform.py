"""Facts that are read from the kernel about this process and others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.system import linux, processes

READY = "print(flush=True); input()"


@pytest.fixture
def child(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python process in an empty directory, with the file `lock` open."""
    with (tmp_path / "lock").open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", READY], cwd=tmp_path / "..", stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, pass_fds=[file.fileno()],
        )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.communicate(b"\n")


def test_open_file_is_found_after_its_deletion(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    status = (tmp_path / "lock").stat()
    (tmp_path / "lock").unlink()
    assert processes.has_open(child.pid, status)
    assert not processes.has_open(child.pid, tmp_path.stat())


def test_process_uses_the_directories_of_its_files(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    assert processes.uses_directory(child.pid, str(tmp_path))
    assert processes.uses_directory(child.pid, os.path.realpath(tmp_path / ".."))
    assert processes.uses_directory(child.pid, os.path.dirname(sys.executable))
    assert not processes.uses_directory(child.pid, f"{tmp_path}-other")


def test_list_contains_other_processes(child: subprocess.Popen[bytes]) -> None:
    pids = processes.list_pids()
    assert child.pid in pids
    assert os.getpid() not in pids


def test_missing_process_has_a_description() -> None:
    assert processes.describe(2**22 + 1) == f"pid {2**22 + 1}"
    assert not processes.uses_directory(2**22 + 1, "/")


def test_mount_points_contain_proc() -> None:
    assert b"/proc" in linux.mount_points()


def test_boot_id_is_stable() -> None:
    assert linux.boot_id() == linux.boot_id()


def test_cpu_count_is_positive() -> None:
    assert 1 <= linux.cpu_count() <= (os.cpu_count() or 1)
