"""Small file systems in a file: made, mounted, copied as a power cut would leave them."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAKERS: Final = {
    "ext4": ("mkfs.ext4", "-q", "-F", "-m", "0", "-J", "size=4", "-I", "256"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
}
_OPTIONS: Final = {"ext4": "loop,commit=600", "xfs": "loop,nouuid"}
"""No timed commit of its own: what is on the disk is there because somebody flushed it."""

_SIZES: Final = {"ext4": 96, "xfs": 320}
"""MiB; xfs refuses to be smaller than 300."""


def place() -> Path:
    """Where images are kept: in memory where there is room for some, else with the rest."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30:
        return memory
    return Path(os.environ.get("TMPDIR", "/tmp"))


def refused(kind: str) -> str | None:
    """Why no file system of ``kind`` can be used here, or None; tries it for true."""
    maker = MAKERS[kind][0]
    if shutil.which(maker, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
        return f"{maker} is not installed"
    folder = place() / f"disk-trial-{os.getpid()}"
    folder.mkdir()
    try:
        disk = Disk.make(folder / "image", kind)
        (folder / "at").mkdir()
        with disk.mounted(folder / "at"):
            return None
    except (subprocess.CalledProcessError, OSError) as problem:
        told = getattr(problem, "stderr", None) or str(problem)
        return f"loop mount of {kind} refused: {str(told).strip().splitlines()[0]}"
    finally:
        shutil.rmtree(folder)


@contextmanager
def layered(lower: Path, at: Path, layer: Path) -> Iterator[None]:
    """Show at ``at`` what lies in ``lower``, and keep all changes in a layer above, in memory.

    So a container sees its image: a folder of the layer below cannot be renamed (EXDEV).
    """
    layer.mkdir(exist_ok=True)
    _run("mount", "-t", "tmpfs", "layer", str(layer))
    try:
        for name in ("upper", "work"):
            (layer / name).mkdir()
        places = f"lowerdir={lower},upperdir={layer}/upper,workdir={layer}/work"
        _run("mount", "-t", "overlay", "-o", places, "image", str(at))
        try:
            yield
        finally:
            unmount(at)
    finally:
        unmount(layer)


def layers_refused() -> str | None:
    """Why no overlay file system can be used here, or None; tries it for true."""
    folder = place() / f"layers-trial-{os.getpid()}"
    for name in ("lower/folder", "at"):
        (folder / name).mkdir(parents=True)
    try:
        with layered(folder / "lower", folder / "at", folder / "layer"):
            os.rename(folder / "at" / "folder", folder / "at" / "other")
        return "folders of a lower layer can be renamed here"
    except OSError as problem:
        return None if problem.errno == errno.EXDEV else str(problem)
    except subprocess.CalledProcessError as problem:
        return f"overlay mount refused: {str(problem.stderr).strip()}"
    finally:
        shutil.rmtree(folder)


def unmount(at: Path) -> None:
    """Unmount what is mounted at ``at``. Raises CalledProcessError."""
    _run("umount", str(at))


def _run(*argv: str) -> None:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    environment = {**os.environ, "PATH": path, "LC_ALL": "C"}
    subprocess.run(argv, check=True, env=environment, capture_output=True, text=True)


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system in the file ``image``."""

    image: Path
    kind: str

    @classmethod
    def make(cls, image: Path, kind: str) -> Disk:
        """A new, empty one. Raises CalledProcessError."""
        with image.open("wb") as file:
            file.truncate(_SIZES[kind] << 20)
        _run(*MAKERS[kind], str(image))
        return cls(image, kind)

    @contextmanager
    def mounted(self, at: Path) -> Iterator[str]:
        """Mount it; gives the name of its block device. Unmounted wholly when left."""
        _run("mount", "-t", self.kind, "-o", _OPTIONS[self.kind], str(self.image), str(at))
        device = _device(at)
        try:
            yield device
        finally:
            unmount(at)
            _wait_until_free(device, self.image)

    def copy(self, to: Path) -> Disk:
        """A copy of the bytes as they are, holes kept."""
        with self.image.open("rb") as source, to.open("wb") as target:
            size = os.fstat(source.fileno()).st_size
            target.truncate(size)
            for start, end in _data(source.fileno(), size):
                _copy_range(source.fileno(), target.fileno(), start, end)
        return Disk(to, self.kind)


def activity(device: str) -> str:
    """The kernel's write counters of a block device: equal twice means nothing was written."""
    fields = Path(f"/sys/block/{device}/stat").read_text().split()
    return " ".join(fields[4:7] + fields[11:14])


def still_copy(disk: Disk, device: str, to: Path) -> Disk:
    """A copy during which nothing was written to the disk: one instant of it."""
    while True:
        before = activity(device)
        twin = disk.copy(to)
        if activity(device) == before:
            return twin


def _data(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    os.lseek(target, start, os.SEEK_SET)
    while start < end:
        start += os.sendfile(target, source, start, end - start)


def _device(at: Path) -> str:
    found = ""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[4] == str(at):
            found = Path(f"/sys/dev/block/{fields[2]}").resolve().name
    return found


def _wait_until_free(device: str, image: Path) -> None:
    """A mount namespace that just ended may hold the file system a moment longer."""
    backing = Path(f"/sys/block/{device}/loop/backing_file")
    for _ in range(2000):
        try:
            if backing.read_text().strip() != str(image):
                return
        except OSError:
            return
        time.sleep(0.002)
    raise TimeoutError(f"{image} is still in use")
