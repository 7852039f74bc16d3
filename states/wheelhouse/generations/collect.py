"""Delete generations and wheels of a wheelhouse that are no longer needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import progress
from engine.frozen import frozen
from engine.system.existence import entry_exists, listdir_or_empty
from states.system.timestamps import seconds_since
from states.venv.generations.recovery import try_delete
from states.venv.generations.store import list_generations, live_id
from states.wheelhouse.generations.index import FILES
from states.wheelhouse.generations.receipt import read_receipt
from states.wheelhouse.store.wheels import WHEELS, list_wheels

if TYPE_CHECKING:
    from states.venv.layout import Store


@frozen
class Garbage:
    """Entries of a store that aren't needed."""

    generations: tuple[str, ...]
    """IDs, oldest first."""
    wheels: tuple[str, ...]
    """Hashes."""


def find_garbage(store: Store, keep: int, min_age_s: int = 0) -> Garbage:
    """Return the entries that may be deleted. This only reads.

    The live generation and the previous ones that are kept stay, with all of their wheels. So do
    wheels that were added since the live generation was published: an interrupted run added them,
    and the next one uses them.

    Args:
        store: The store.
        keep: The number of previous generations to keep.
        min_age_s: Minimum age of a deleted generation, in seconds.

    Returns:
        The entries.

    Raises:
        OSError: A generation or a wheel can't be read. It must be kept.

    """
    live, generations = live_id(store), list_generations(store)
    if live is None and generations:
        return Garbage((), ())  # The path is missing. The next run needs the wheels to restore it.
    previous = [identifier for identifier in generations if identifier != live]
    receipts = {name: read_receipt(store.generation(name)) for name in previous}
    old = [
        identifier
        for identifier in previous[: max(len(previous) - keep, 0)]
        if (receipt := receipts[identifier]) is None or seconds_since(receipt.created) >= min_age_s
    ]
    needed: set[str] = set()
    for identifier in ({*previous} - {*old}) | ({live} if live else set()):
        receipt = read_receipt(store.generation(identifier))
        if receipt is not None:
            needed.update(wheel.sha256 for wheel in receipt.wheels)
        elif identifier == live:
            return Garbage((), ())  # Which wheels it needs isn't known.
    wheels = list_wheels(store)
    unneeded = [
        digest
        for digest in sorted(listdir_or_empty(f"{store.root}/{WHEELS}"))
        if digest not in needed
        and (digest not in wheels or wheels[digest].added_after != (live or ""))
    ]
    return Garbage(tuple(old), tuple(unneeded))


def collect(store: Store, garbage: Garbage) -> None:
    """Delete garbage of a store.

    The lock of the store must be held. A kill in here leaves unfinished entries.

    Raises:
        OSError: An entry can't be deleted.

    """
    for identifier in garbage.generations:
        progress.detail(f"deleting generation {identifier}")
        try_delete(store, f"generations/{identifier}")
    for digest in garbage.wheels:
        try_delete(store, f"{WHEELS}/{digest}")


def delete_retained(store: Store, garbage: Garbage) -> None:
    """Delete the files of unneeded wheels that only the previous index listed.

    Clients that have read a page of it are expected to have finished. The lock of the store must
    be held.

    Args:
        store: The store.
        garbage: The unneeded wheels.

    Raises:
        OSError: A file can't be deleted.

    """
    live = live_id(store)
    receipt = read_receipt(store.generation(live)) if live else None
    unneeded = {f"{FILES}/{digest}" for digest in garbage.wheels}
    for directory in sorted(unneeded.intersection(receipt.retained if receipt else ())):
        if entry_exists(f"{store.generation(str(live))}/{directory}"):
            try_delete(store, f"generations/{live}/{directory}")
