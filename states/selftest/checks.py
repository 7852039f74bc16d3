"""Check the file-system operations that converge's promises depend on."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from engine.system.files import fsync_dir
from engine.system.linux import exchange_names, sync_filesystem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def run_checks(scratch: Path) -> Iterator[tuple[str, str]]:
    """Run each check in a directory of its own, below an existing scratch directory.

    Yields:
        The property that was checked, and the failure. Empty if the property holds.

    """
    for name, check in (
        ("rename replaces a symlink atomically", _rename),
        ("two names can be exchanged atomically", _exchange),
        ("files, directories, and the file system can be synced", _sync),
        ("a lock excludes other processes, and children inherit it", _lock),
        ("a change to a file or directory updates its ctime", _ctime),
        ("programs can be executed", _execute),
    ):
        directory = scratch / check.__name__
        directory.mkdir()
        try:
            yield name, check(directory) or ""
        except OSError as error:
            yield name, f"{error.strerror}: {error.filename or ''}".strip(": ")


def _rename(directory: Path) -> str:
    link = directory / "link"
    link.symlink_to("target-0")
    failed_reads: list[OSError] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                os.readlink(link)
            except OSError as error:
                failed_reads.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 300):
        (directory / "next").symlink_to(f"target-{number}")
        (directory / "next").rename(link)
    stop.set()
    reader.join()
    return f"the symlink was absent {len(failed_reads)} times" if failed_reads else ""


def _exchange(directory: Path) -> str:
    (directory / "directory").mkdir()
    (directory / "link").symlink_to("target")
    exchange_names(str(directory / "directory"), str(directory / "link"))
    exchanged = (directory / "directory").is_symlink() and (directory / "link").is_dir()
    return "" if exchanged else "the names weren't exchanged"


def _sync(directory: Path) -> str:
    with open(directory / "file", "wb") as stream:
        stream.write(b"content")
        os.fsync(stream.fileno())
    fsync_dir(str(directory))
    sync_filesystem(str(directory))
    return ""


def _lock(directory: Path) -> str:
    path = directory / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    child = subprocess.Popen(["/bin/sleep", "60"], pass_fds=(descriptor,))
    os.close(descriptor)
    try:
        if not _is_locked(path):
            return "a child process doesn't inherit the lock"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    return "the lock outlives the last process that held it" if _is_locked(path) else ""


def _is_locked(path: Path) -> bool:
    with open(path, "rb+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _ctime(directory: Path) -> str:
    file = directory / "file"
    file.write_text("one")
    file_before, directory_before = file.lstat(), directory.lstat()
    time.sleep(0.02)
    file.write_text("two")
    os.utime(file, ns=(file_before.st_atime_ns, file_before.st_mtime_ns))
    (directory / "new").touch()
    if file.lstat().st_ctime_ns == file_before.st_ctime_ns:
        return "an edit with a restored mtime doesn't update the ctime; `check` would miss it"
    if directory.lstat().st_ctime_ns == directory_before.st_ctime_ns:
        return "a new file doesn't update its directory's ctime; `check` would miss it"
    return ""


def _execute(directory: Path) -> str:
    script = directory / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    subprocess.run([script], check=False)
    return ""
