"""Estimate the disk space that a generation needs, for the error that reports a full disk."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from engine.errors import ConvergeError, DiskFull, from_os_error
from engine.frozen import frozen
from states.venv.integrity.manifest import load_manifest
from states.venv.resolve.pylock import parse_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from engine.settings import Settings
    from states.venv.layout import Store
    from states.venv.observe import Observation
    from states.venv.resolve.pylock import Lock
    from states.venv.resolve.selection import Selection

_INSTALLED_BYTES_PER_WHEEL_BYTE = 7
"""Includes bytecode. Measured: the 98 wheels of keystone, 25 MB, need 178 MB on disk."""
_WHEEL_BYTES_PER_INODE = 2700
"""Includes bytecode. Measured: the wheels of keystone become 9,400 files."""
_BLOCK_BYTES = 4096
_MIB_BYTES = 1 << 20


@frozen
class DiskSpace:
    """An amount of disk space."""

    size: int
    """In bytes."""
    inodes: int

    def plus(self, size: int, inodes: int) -> DiskSpace:
        """Return a larger amount."""
        return DiskSpace(self.size + size, self.inodes + inodes)


_BASE_ENVIRONMENT = DiskSpace(128 << 10, 32)
"""The space that an environment without packages needs."""


@contextmanager
def explain_disk_full(
    store: Store,
    selection: Selection | None,
    settings: Settings,
    observations: Iterable[Observation],
) -> Iterator[None]:
    """Add the needed and the available space to an error that reports a full disk.

    Args:
        store: The store of the venv, which might not exist yet.
        selection: The selected packages. None if they aren't known yet: the error stays as it is.
        settings: The settings, for the cache directory.
        observations: Observations of venvs. The sizes of packages in them are known.

    Yields:
        Once.

    Raises:
        DiskFull: The disk is full. The hint contains the amounts.

    """
    try:
        yield
    except (OSError, ConvergeError) as error:
        full = from_os_error(error) if isinstance(error, OSError) else error
        if selection is None or not isinstance(full, DiskFull):
            raise
        needed = estimate(selection, observations)
        amounts = _describe_disks(_directories(store, settings), needed)
        hint = f"free disk space; nothing was published. {'. '.join(amounts)}"
        raise DiskFull(full.message, hint=hint, output=full.output) from error


def _directories(store: Store, settings: Settings) -> list[str]:
    """Return a directory on each file system that needs the space: a cache needs about as much."""
    existing = store.root
    while not os.path.exists(existing):
        existing = os.path.dirname(existing)
    directories = [existing]
    with suppress(FileNotFoundError):
        if os.stat(settings.cache).st_dev != os.stat(existing).st_dev:
            directories.append(settings.cache)
    return directories


def _describe_disks(directories: list[str], needed: DiskSpace) -> list[str]:
    """Describe the disks that are too small, or if the estimate fits on each of them, all."""
    disks = [(directory, available(directory)) for directory in directories]
    too_small = [(directory, free) for directory, free in disks if not _is_enough(needed, free)]
    return [describe(directory, needed, free) for directory, free in too_small or disks]


def _is_enough(needed: DiskSpace, free: tuple[int, int | None]) -> bool:
    free_size, free_inodes = free
    return needed.size <= free_size and (free_inodes is None or needed.inodes <= free_inodes)


def available(directory: str) -> tuple[int, int | None]:
    """Return the free bytes and inodes. Some file systems don't limit the inodes: None."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize, status.f_favail if status.f_files else None


def describe(directory: str, needed: DiskSpace, free: tuple[int, int | None]) -> str:
    """Return the needed and the available space as text.

    A build temporarily needs more than its result, so the disk can be too small although the
    estimate fits.

    Args:
        directory: A directory on the file system.
        needed: The estimate.
        free: The result of `available`.

    Returns:
        The part of the hint for this file system.

    """
    free_size, free_inodes = free
    needed_inodes = None if free_inodes is None else needed.inodes
    more = ", and more during the build" if _is_enough(needed, free) else ""
    return (
        f"`{directory}`: needs about {_amount(needed.size, needed_inodes)}{more}; "
        f"{_amount(free_size, free_inodes)} available"
    )


def _amount(size: int, inodes: int | None) -> str:
    mib = f"{size / _MIB_BYTES:.1f} MiB"
    return mib if inodes is None else f"{mib} and {inodes} inodes"


def estimate(selection: Selection, observations: Iterable[Observation]) -> DiskSpace:
    """Estimate the space of a generation.

    The size of a package in another generation is exact. Otherwise, the size of its wheel
    counts, if that is known.
    """
    installed = _installed_sizes(observations)
    wheels = wheel_sizes(parse_lock(selection.lock))
    needed = _BASE_ENVIRONMENT
    for package in selection.packages:
        sizes = installed.get((package.name, package.content))
        if sizes is None:
            wheel = wheels.get(package.name, 0)
            needed = needed.plus(
                wheel * _INSTALLED_BYTES_PER_WHEEL_BYTE, wheel // _WHEEL_BYTES_PER_INODE
            )
        else:
            needed = needed.plus(sum(sizes), len(sizes))
    return needed


def _installed_sizes(observations: Iterable[Observation]) -> dict[tuple[str, str], list[int]]:
    """Return the allocated size of each file, by name and content of its package."""
    installed: dict[tuple[str, str], list[int]] = {}
    for observation in observations:
        if observation.receipt is None:
            continue
        sizes: dict[str, list[int]] = {}
        for entry in (load_manifest(observation.root, observation.receipt.manifest) or {}).values():
            blocks = -(-int(entry.size) // _BLOCK_BYTES)
            sizes.setdefault(entry.package, []).append(blocks * _BLOCK_BYTES)
        for package in observation.receipt.packages:
            installed.setdefault((package.name, package.content), sizes.get(package.name, []))
    return installed


def wheel_sizes(lock: Lock) -> dict[str, int]:
    """Return the size of each package's largest distribution in bytes, or 0 if it is unknown."""
    sizes = {}
    for package in lock.packages:
        distributions = [
            *package.get("wheels", []), package.get("sdist", {}), package.get("archive", {})
        ]  # fmt: skip
        sizes[package["name"]] = max(_size(distribution) for distribution in distributions)
    return sizes


def _size(distribution: Mapping[str, Any]) -> int:
    """Return the size in the lock, or the size of a local file."""
    if "size" in distribution:
        return int(distribution["size"])
    path = distribution.get("path") or distribution.get("url", "").removeprefix("file://")
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
