"""What the promises need of a file system, tried on the one that will be used."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

from engine.files import exchange, flush_file_system, flush_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_KILLED = 137
_STRIKE = """
import os, sys
sys.path[:0] = {path!r}
left = [{count}]
EVENTS = {{"os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "os.link"}}
def strike(event, arguments):
    writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
    if (event in EVENTS or writing) and {folder!r} in str(arguments[0]):
        left[0] -= 1
        if left[0] == 0:
            os._exit(137)
sys.addaudithook(strike)
from states.__main__ import main
sys.exit(main())
"""
"""A run that dies before its n-th change below a folder."""


def checks(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each property and what is wrong with it: empty where it holds."""
    for name, check in (
        ("rename replaces a symlink with no moment without one", _rename),
        ("two names can be exchanged in one step", _exchange),
        ("files, folders and the file system can be flushed", _flush),
        ("a lock excludes, and a child inherits it", _lock),
        ("touching a file or a folder shows in its times", _times),
    ):
        room = folder / name.split()[0]
        room.mkdir()
        try:
            yield name, check(room) or ""
        except OSError as error:
            yield name, f"{error.strerror}: {error.filename or ''}".strip(": ")


def sweep(folder: Path, points: int, tell: Callable[[int, int], None]) -> Iterator[str]:
    """Kill a run at points spread over all of its changes; yield what went wrong after each.

    After a kill the next plain run must end well, and the one after it find nothing to do.
    """
    total = _changes(folder / "count")
    chosen = spread(points, total)
    for done, point in enumerate(chosen, 1):
        tell(done, len(chosen))
        room = folder / f"point-{point}"
        struck = _run(room, point)
        if struck.returncode != _KILLED:
            continue  # it took fewer steps this time
        healed = _run(room, 0)
        again = _run(room, 0)
        if healed.returncode != 0:
            yield f"killed before change {point}: the next run failed: {healed.stderr.strip()}"
        elif "nothing to do" not in again.stdout:
            yield f"killed before change {point}: the run after the next still changed something"


def spread(points: int, total: int) -> list[int]:
    """Choose so many of the numbers from 1 to the total, evenly, or all; the last one always."""
    count = min(points, total)
    return sorted(total - index * (total - 1) // max(1, count - 1) for index in range(count))


def _changes(room: Path) -> int:
    """Count the changes of a whole run, by doubling and halving."""
    low, high = 1, 64
    while _run(room / str(high), high).returncode == _KILLED:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        killed = _run(room / str(middle), middle).returncode == _KILLED
        low, high = (middle, high) if killed else (low, middle)
    return low


def _run(room: Path, point: int) -> subprocess.CompletedProcess[str]:
    """Apply a venv with nothing in it, dying before the given change; 0 for none."""
    room.mkdir(parents=True, exist_ok=True)
    declaration = room / "selftest.toml"
    executable = os.path.realpath(sys.executable)
    declaration.write_text(f'[venv.selftest]\npath = "venvs/selftest"\npython = "{executable}"\n')
    program = _STRIKE.format(path=sys.path, count=point or -1, folder=str(room / "venvs"))
    env = {
        **os.environ,
        "CONVERGE_CACHE_DIR": str(room / "cache"),
        "CONVERGE_STATE_DIR": str(room / "state"),
    }
    argv = [sys.executable, "-c", program, "apply", str(declaration), "--quiet"]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


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
    exchange(str(room / "folder"), str(room / "link"))
    return "" if (room / "folder").is_symlink() and (room / "link").is_dir() else "nothing happened"


def _flush(room: Path) -> str:
    with open(room / "file", "wb") as stream:
        stream.write(b"content")
        os.fsync(stream.fileno())
    flush_folder(str(room))
    flush_file_system(str(room))
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
