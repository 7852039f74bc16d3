"""The report of `converge gc`: the freed space, and why the other generations stay."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.frozen import frozen, replace
from engine.output.text import count
from engine.system.processes import name_of
from states.venv.generations.gc import is_pinned, is_quarantined
from states.venv.generations.hold import read_hold
from states.venv.generations.in_use import is_in_use, using_processes
from states.venv.generations.store import generation_names, list_generations, live_id
from states.venv.integrity.receipt import has_whole_receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from states.commands.text.table import Line
    from states.venv.layout import Store

_BLOCK = 512
"""Bytes in a unit of `st_blocks`."""
_MAX_PIDS = 3
"""Maximum number of processes to name."""


@frozen
class Limits:
    """The arguments that let previous generations stay, although nothing else needs them."""

    keep: int
    """The number of previous generations to keep."""
    age: str = ""
    """The minimum age of a generation to delete, as the user wrote it."""
    too_young: tuple[str, ...] = ()
    """The generations that are younger than that."""


@frozen
class Garbage:
    """The entries of one store that were deleted, or would be in a dry run."""

    generations: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    """Paths relative to the store, left by interrupted runs."""
    unreadable: tuple[OSError, ...] = ()
    """The errors of generations that stay because their age can't be read."""
    sizes: tuple[tuple[str, int], ...] = ()
    """The disk space of each deleted generation in bytes."""
    kept: tuple[tuple[str, str], ...] = ()
    """Each other generation, and why it stays."""
    wheels: tuple[tuple[str, int], ...] = ()
    """The name and the size in bytes of each wheel."""

    @property
    def freed(self) -> int:
        """The disk space of the deleted generations and wheels in bytes."""
        generations = sum(size for name, size in self.sizes if name in self.generations)
        return generations + sum(size for _, size in self.wheels)


def describe(store: Store, garbage: Garbage, limits: Limits) -> Garbage:
    """Add the sizes of the generations to delete, and the reasons of the others.

    Called under the lock before the deletion, or in a dry run.

    Args:
        store: The store of the venv.
        garbage: The entries to delete.
        limits: The arguments that let others stay.

    Returns:
        The entries with sizes and reasons.

    """
    sizes = tuple((name, _size(store.generation(name))) for name in garbage.generations)
    # The live generation stays even if it lost its receipt.
    live, finished = live_id(store), list_generations(store)
    names = [name for name in generation_names(store) if name == live or name in finished]
    kept = tuple(
        (name, _reason(store, name, limits)) for name in names if name not in garbage.generations
    )
    return replace(garbage, sizes=sizes, kept=kept)


def format_garbage(
    garbage: Mapping[str, Garbage], expired_files: int, *, dry_run: bool
) -> Iterator[Line]:
    """Format the deleted entries.

    Args:
        garbage: The deleted entries by address.
        expired_files: Number of deleted cache files.
        dry_run: Whether nothing was deleted yet.

    Yields:
        One line for each generation and each unfinished entry, one for the cache files, and a
        summary.

    """
    action = "would be deleted" if dry_run else "deleted"
    for address, entries in garbage.items():
        sizes = dict(entries.sizes)
        for generation in entries.generations:
            size = f" ({format_size(sizes[generation])})" if generation in sizes else ""
            yield [("-", f"- {address}  {generation}  {action}{size}")]
        for file, file_size in entries.wheels:
            yield [("-", f"- {address}  {file}  {action} ({format_size(file_size)})")]
        for path in entries.unfinished:
            yield [("-", f"- {address}  {path} (unfinished)  {action}")]
        for generation, reason in entries.kept:
            yield [("", f"  {address}  {generation}  "), ("dim", f"kept: {reason}")]
    if expired_files:
        yield [("-", f"- {count(expired_files, 'expired cache file')} {action}")]
    deleted = sum(len(entries.generations) + len(entries.wheels) for entries in garbage.values())
    kept = sum(len(entries.kept) for entries in garbage.values())
    freed = format_size(sum(entries.freed for entries in garbage.values()))
    if deleted or expired_files or any(entries.unfinished for entries in garbage.values()):
        noun = "would be freed" if dry_run else "freed"
        yield [("bold", f"Gc: {deleted} {action}, {freed} {noun}, {kept} kept.")]
    else:
        yield [("bold", f"Gc: nothing to delete, {kept} kept.")]


def format_size(size: int) -> str:
    """Return a number of bytes with its largest unit, such as `9.1 MB`."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return ""


def _size(root: str) -> int:
    """Return the disk space of a directory in bytes. Entries that can't be read don't count."""
    total = 0
    for directory, _, files in os.walk(root):
        for name in files:
            try:
                status = os.lstat(os.path.join(directory, name))
            except OSError:
                continue
            total += status.st_blocks * _BLOCK // max(1, status.st_nlink)
    return total


def _reason(store: Store, generation: str, limits: Limits) -> str:
    """Return why a generation stays.

    Args:
        store: The store of the venv.
        generation: The ID of the generation.
        limits: The arguments that let it stay.

    Returns:
        The first reason that suffices.

    """
    hold = read_hold(store)
    if generation == live_id(store):
        return "live"
    if hold is not None and hold.generation == generation:
        return "held after a rollback"
    if is_pinned(store, generation):
        return "pinned"
    try:
        has_whole_receipt(store.generation(generation))
    except OSError as error:
        return f"can't be read: {error.strerror}"
    if is_in_use(store.generation(generation)):
        return _users(using_processes(store.generation(generation)))
    if generation in limits.too_young:
        return f"younger than {limits.age}"
    if is_quarantined(store, generation):
        return "damaged, the newest one for inspection"
    return f"previous, kept by `keep = {limits.keep}`" if limits.keep else "the only one left"


def _users(pids: Sequence[int]) -> str:
    """Return the text for the processes that run from a generation, with their names."""
    if not pids:
        return "in use by a process that isn't visible here"
    names = [f"{pid} ({name})" if (name := name_of(pid)) else str(pid) for pid in pids[:_MAX_PIDS]]
    more = f", and {len(pids) - _MAX_PIDS} more" if len(pids) > _MAX_PIDS else ""
    return f"in use by {'process' if len(pids) == 1 else 'processes'} {', '.join(names)}{more}"
