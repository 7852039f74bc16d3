"""Atomic file replacement and the system calls around it."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import resource
import threading
from pathlib import Path

import pytest

from engine.system import linux
from engine.system.atomic_write import write_atomic
from engine.system.files import (
    CHUNK_SIZE,
    fsync_dir,
    sha256,
    sha256_of_file,
)
from engine.system.linux import exchange_names, sync_filesystem


def test_atomic_write_sets_content_and_mode(tmp_path: Path) -> None:
    write_atomic(str(tmp_path / "a"), b"hello", 0o640, durable=True)
    assert (tmp_path / "a").read_bytes() == b"hello"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_atomic_write_mode_ignores_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomic(str(tmp_path / "a"), b"", 0o644, durable=True)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_atomic_write_leaves_hard_links_unchanged(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    write_atomic(str(tmp_path / "a"), b"new", durable=True)
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("new", "old")


def test_atomic_write_replaces_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "a").symlink_to("target")
    write_atomic(str(tmp_path / "a"), b"new", durable=True)
    assert (tmp_path / "target").read_text() == "old"
    assert not (tmp_path / "a").is_symlink()


def test_atomic_write_never_reuses_an_old_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    (tmp_path / ".next-a").hardlink_to(tmp_path / "other")
    write_atomic(str(tmp_path / "a"), b"new", durable=True)
    assert (tmp_path / "other").read_text() == "other"
    assert (tmp_path / "a").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["a", "other"]


def test_failed_atomic_write_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(TypeError):
        write_atomic(str(tmp_path / "a"), "not bytes", durable=True)  # type: ignore[arg-type]
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


def test_atomic_write_error_names_the_file(tmp_path: Path) -> None:
    """The system error has no path, and a host may have several disks that can be full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_atomic(str(tmp_path / "a"), b"too much", durable=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_atomic_write_refuses_to_replace_a_directory(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(str(tmp_path / "a"), b"new", durable=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_atomic_writes_from_many_threads_leave_one_file(tmp_path: Path) -> None:
    start, errors = threading.Barrier(8), []

    def write(letter: str) -> None:
        start.wait()
        try:
            for _ in range(10):
                write_atomic(str(tmp_path / "a"), letter.encode() * 10_000, durable=True)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(set((tmp_path / "a").read_text())) == 1
    assert os.listdir(tmp_path) == ["a"]


def test_exchange_swaps_a_directory_and_a_symlink(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    exchange_names(str(tmp_path / "directory"), str(tmp_path / "link"))
    assert os.readlink(tmp_path / "directory") == "elsewhere"
    assert (tmp_path / "link").is_dir()


def test_exchange_with_a_missing_path_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(FileNotFoundError) as caught:
        exchange_names(str(tmp_path / "a"), str(tmp_path / "missing"))
    assert caught.value.filename == str(tmp_path / "a")


class LibcWithoutRenameat2:
    """A C library such as musl: no `renameat2` function, but `syscall` makes any call by number."""

    def __init__(self) -> None:
        self.syscall = ctypes.CDLL(None, use_errno=True).syscall


def test_exchange_works_without_renameat2_in_libc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linux, "_libc", LibcWithoutRenameat2)
    if os.uname().machine in linux._RENAMEAT2:
        test_exchange_swaps_a_directory_and_a_symlink(tmp_path)
        with pytest.raises(FileNotFoundError):
            exchange_names(str(tmp_path / "link"), str(tmp_path / "missing"))
    monkeypatch.setattr(linux, "_RENAMEAT2", {})
    with pytest.raises(OSError, match=os.strerror(errno.ENOSYS)):
        exchange_names(str(tmp_path / "directory"), str(tmp_path / "link"))


def test_exchange_reports_an_unsupported_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> int:
        ctypes.set_errno(errno.EINVAL)
        return -1

    monkeypatch.setattr(linux, "_renameat2", lambda _: unsupported)
    with pytest.raises(OSError, match=os.strerror(errno.EOPNOTSUPP)) as caught:
        exchange_names(str(tmp_path), str(tmp_path))
    assert caught.value.filename == str(tmp_path)


def test_fsync_dir_requires_a_directory(tmp_path: Path) -> None:
    fsync_dir(str(tmp_path))
    sync_filesystem(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        fsync_dir(str(tmp_path / "missing"))
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        fsync_dir(str(tmp_path / "file"))


@pytest.mark.parametrize("size", [0, 1, CHUNK_SIZE, CHUNK_SIZE + 1])
def test_sha256_is_the_same_for_short_and_large_data(size: int) -> None:
    data = bytes(size)
    expected = hashlib.sha256(data).hexdigest()
    assert (sha256(data), sha256_of_file([data])) == (expected, expected)
