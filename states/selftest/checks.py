"""What the promises need of a file system, tried on the one that will be used."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
import time

from engine.system.files import fsync_dir
from engine.system.linux import exchange_names, sync_filesystem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def checks(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each property and what is wrong with it: empty where it holds."""
    for name, check in (
        ("rename replaces a symlink with no moment without one", _rename),
        ("two names can be exchanged in one step", _exchange),
        ("files, folders and the file system can be flushed", _flush),
        ("a lock excludes, and a child inherits it", _lock),
        ("touching a file or a folder shows in its times", _times),
        ("a program can be run from there", _program),
    ):
        room = folder / check.__name__
        room.mkdir()
        try:
            yield name, check(room) or ""
        except OSError as error:
            yield name, f"{error.strerror}: {error.filename or ''}".strip(": ")


def _rename(room: Path) -> str:
    (room / "link").symlink_to("target-0")
    gone: list[int] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                os.readlink(room / "link")
            except OSError:
                gone.append(1)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 300):
        (room / "aside").symlink_to(f"target-{number}")
        (room / "aside").rename(room / "link")
    over.set()
    reader.join()
    return f"it was absent {len(gone)} times" if gone else ""


def _exchange(room: Path) -> str:
    (room / "folder").mkdir()
    (room / "link").symlink_to("somewhere")
    exchange_names(str(room / "folder"), str(room / "link"))
    return "" if (room / "folder").is_symlink() and (room / "link").is_dir() else "nothing happened"


def _flush(room: Path) -> str:
    with open(room / "file", "wb") as stream:
        stream.write(b"content")
        os.fsync(stream.fileno())
    fsync_dir(str(room))
    sync_filesystem(str(room))
    return ""


def _lock(room: Path) -> str:
    descriptor = os.open(room / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    child = subprocess.Popen(["/bin/sleep", "60"], pass_fds=(descriptor,))
    os.close(descriptor)
    try:
        if not _taken(room / "lock"):
            return "a child does not inherit it"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    return "it outlives the last process that had it" if _taken(room / "lock") else ""


def _taken(path: Path) -> bool:
    with open(path, "rb+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _times(room: Path) -> str:
    file = room / "file"
    file.write_text("one")
    before = file.lstat(), room.lstat()
    time.sleep(0.02)
    file.write_text("two")
    os.utime(file, ns=(before[0].st_atime_ns, before[0].st_mtime_ns))
    (room / "another").touch()
    if file.lstat().st_ctime_ns == before[0].st_ctime_ns:
        return "an edit with its time put back cannot be seen: `check` would miss it"
    if room.lstat().st_ctime_ns == before[1].st_ctime_ns:
        return "a new file does not change its folder's time: `check` would miss it"
    return ""


def _program(room: Path) -> str:
    script = room / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    subprocess.run([script], check=False)
    return ""
