"""Small file systems in image files: create, mount, and copy them as a power cut leaves them."""

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

MKFS: Final = {
    "ext4": ("mkfs.ext4", "-q", "-F", "-m", "0", "-J", "size=4", "-I", "256"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
}
_OPTIONS: Final = {"ext4": "loop,commit=600", "xfs": "loop,nouuid"}
"""No timed commit. The disk contains only data that a process synced."""

_SIZES: Final = {"ext4": 96, "xfs": 320}
"""Sizes in MiB. The minimum of xfs is 300."""


def image_dir() -> Path:
    """Return the directory for images: a tmpfs if it has 2 GiB free, otherwise the temporary one."""
    tmpfs = Path("/dev/shm")
    if tmpfs.is_dir() and os.access(tmpfs, os.W_OK) and shutil.disk_usage(tmpfs).free > 2 << 30:
        return tmpfs
    return Path(os.environ.get("TMPDIR", "/tmp"))


def unsupported_reason(kind: str) -> str | None:
    """Return why file system `kind` can't be used here, or None. Tries to mount one."""
    maker = MKFS[kind][0]
    if shutil.which(maker, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
        return f"{maker} isn't installed"
    directory = image_dir() / f"disk-probe-{os.getpid()}"
    directory.mkdir()
    try:
        disk = Disk.make(directory / "image", kind)
        (directory / "at").mkdir()
        with disk.mounted(directory / "at"):
            return None
    except (subprocess.CalledProcessError, OSError) as error:
        message = getattr(error, "stderr", None) or str(error)
        return f"can't loop-mount {kind}: {str(message).strip().splitlines()[0]}"
    finally:
        shutil.rmtree(directory)


@contextmanager
def overlay(lower: Path, at: Path, layer: Path) -> Iterator[None]:
    """Mount an overlay at `at`: `lower` below, and a tmpfs above it that receives all changes.

    A container sees its image like this. A directory of the lower layer can't be renamed (EXDEV).
    """
    layer.mkdir(exist_ok=True)
    _run("mount", "-t", "tmpfs", "layer", str(layer))
    try:
        for name in ("upper", "work"):
            (layer / name).mkdir()
        options = f"lowerdir={lower},upperdir={layer}/upper,workdir={layer}/work"
        _run("mount", "-t", "overlay", "-o", options, "image", str(at))
        try:
            yield
        finally:
            unmount(at)
    finally:
        unmount(layer)


def overlay_unsupported_reason() -> str | None:
    """Return why overlay file systems can't be used here, or None. Tries to mount one."""
    directory = image_dir() / f"overlay-probe-{os.getpid()}"
    for name in ("lower/directory", "at"):
        (directory / name).mkdir(parents=True)
    try:
        with overlay(directory / "lower", directory / "at", directory / "layer"):
            os.rename(directory / "at" / "directory", directory / "at" / "other")
        return "the overlay renames directories of the lower layer"
    except OSError as error:
        return None if error.errno == errno.EXDEV else str(error)
    except subprocess.CalledProcessError as error:
        return f"can't mount an overlay: {str(error.stderr).strip()}"
    finally:
        shutil.rmtree(directory)


def unmount(at: Path) -> None:
    """Unmount `at`. Raises CalledProcessError."""
    _run("umount", str(at))


def _run(*argv: str) -> None:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    environment = {**os.environ, "PATH": path, "LC_ALL": "C"}
    subprocess.run(argv, check=True, env=environment, capture_output=True, text=True)


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system in the file `image`."""

    image: Path
    kind: str

    @classmethod
    def make(cls, image: Path, kind: str) -> Disk:
        """Create an empty file system. Raises CalledProcessError."""
        with image.open("wb") as file:
            file.truncate(_SIZES[kind] << 20)
        _run(*MKFS[kind], str(image))
        return cls(image, kind)

    @contextmanager
    def mounted(self, at: Path) -> Iterator[str]:
        """Mount the file system and yield the name of its block device."""
        _run("mount", "-t", self.kind, "-o", _OPTIONS[self.kind], str(self.image), str(at))
        device = _device(at)
        try:
            yield device
        finally:
            unmount(at)
            _wait_until_free(device, self.image)

    def copy(self, to: Path) -> Disk:
        """Copy the image, holes included."""
        with self.image.open("rb") as source, to.open("wb") as target:
            size = os.fstat(source.fileno()).st_size
            target.truncate(size)
            for start, end in _data(source.fileno(), size):
                _copy_range(source.fileno(), target.fileno(), start, end)
        return Disk(to, self.kind)


def write_counters(device: str) -> str:
    """Return the kernel's write counters of a block device. They change with every write."""
    fields = Path(f"/sys/block/{device}/stat").read_text().split()
    return " ".join(fields[4:7] + fields[11:14])


def snapshot_disk(disk: Disk, device: str, to: Path) -> Disk:
    """Return a copy of one instant: retry until nothing was written to the disk during the copy."""
    while True:
        before = write_counters(device)
        copy = disk.copy(to)
        if write_counters(device) == before:
            return copy


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
    device = ""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[4] == str(at):
            device = Path(f"/sys/dev/block/{fields[2]}").resolve().name
    return device


def _wait_until_free(device: str, image: Path) -> None:
    """Wait until no other mount namespace holds the file system."""
    backing = Path(f"/sys/block/{device}/loop/backing_file")
    for _ in range(2000):
        try:
            if backing.read_text().strip() != str(image):
                return
        except OSError:
            return
        time.sleep(0.002)
    raise TimeoutError(f"image still in use: {image}")
