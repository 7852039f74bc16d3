"""How much room a generation needs, and how much is missing: said when a disk is full."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from engine.errors import ConvergeError, DiskFull, from_os_error
from states.venv.integrity import manifest as seals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from engine.settings import Settings
    from states.venv.layout import Store
    from states.venv.observe import Observation
    from states.venv.resolve.selection import Selection

_UNPACKED = 7
"""Bytes on the disk, bytecode included, for one of a wheel: keystone's 98 wheels of 25 MB
take 178 MB."""
_A_FILE = 2700
"""Bytes of a wheel for one file on the disk, bytecode included: keystone's make 9,400."""
_BARE = (128 << 10, 32)
"""Bytes and files of an environment without packages."""
_BLOCK = 4096
_MIB = 1 << 20


@contextmanager
def explain_disk_full(
    store: Store, chosen: Selection | None, settings: Settings, views: Iterable[Observation]
) -> Iterator[None]:
    """Have what fails for want of room say how much is missing, once it is known what for."""
    try:
        yield
    except (OSError, ConvergeError) as error:
        known = from_os_error(error) if isinstance(error, OSError) else error
        if chosen is None or not isinstance(known, DiskFull):
            raise
        raise _full(known, store, chosen, settings, views) from error


def _full(
    known: DiskFull,
    store: Store,
    chosen: Selection,
    settings: Settings,
    views: Iterable[Observation],
) -> DiskFull:
    needed = _estimate(chosen, views)
    figures = [
        _figures(folder, bytes_needed, files)
        for folder, (bytes_needed, files) in _places(store, settings, needed).items()
    ]
    hint = f"free some space: {'; '.join(figures)}; what was live before is untouched"
    return DiskFull(known.message, hint=hint, output=known.output)


def _places(
    store: Store, settings: Settings, needed: tuple[int, int]
) -> dict[str, tuple[int, int]]:
    """Return what is needed where; a cache on another disk needs about as much again."""
    there = store.root
    while not os.path.exists(there):
        there = os.path.dirname(there)
    places = {there: needed}
    with suppress(FileNotFoundError):
        if os.stat(settings.cache).st_dev != os.stat(there).st_dev:
            places[settings.cache] = needed
    return places


def _figures(folder: str, size: int, files: int) -> str:
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    words = f"`{folder}` has {_mib(free)} free and needs about {_mib(size)}"
    words = words if size else f"`{folder}` has {_mib(free)} free"
    if size > free:
        words += f": {_mib(size - free)} are missing"
    if found.f_files and found.f_favail < files:
        words += f"; it has room for {found.f_favail} files and needs it for about {files}"
    return words


def _mib(size: int) -> str:
    return f"{size / _MIB:.1f} MiB"


def _estimate(chosen: Selection, views: Iterable[Observation]) -> tuple[int, int]:
    """Estimate bytes and files: of packages that are there by these, of others by the wheels."""
    known: dict[tuple[str, str], list[int]] = {}
    for view in views:
        if view.receipt is None:
            continue
        sealed: dict[str, list[int]] = {}
        for entry in (seals.load(view.root, view.receipt.manifest) or {}).values():
            sealed.setdefault(entry.package, []).append(-(-int(entry.size) // _BLOCK) * _BLOCK)
        for one in view.receipt.packages:
            known.setdefault((one.name, one.content), sealed.get(one.name, []))
    size, files = _BARE
    wheels = _wheels(chosen.lock)
    for one in chosen.packages:
        there = known.get((one.name, one.content))
        if there is None:
            wheel = wheels.get(one.name, 0)
            size, files = size + wheel * _UNPACKED, files + wheel // _A_FILE
        else:
            size, files = size + sum(there), files + len(there)
    return size, files


def _wheels(lock: str) -> dict[str, int]:
    """Return the sizes of distributions by package, as far as they are known."""
    import tomli

    sizes = {}
    for package in tomli.loads(lock).get("packages", []):
        offered = [*package.get("wheels", []), package.get("sdist", {}), package.get("archive", {})]
        sizes[package["name"]] = max(_size(one) for one in offered)
    return sizes


def _size(distribution: Mapping[str, Any]) -> int:
    """Return what the lock says, or how large a local file is."""
    if "size" in distribution:
        return int(distribution["size"])
    path = distribution.get("path") or distribution.get("url", "").removeprefix("file://")
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
