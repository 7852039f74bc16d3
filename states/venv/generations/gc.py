"""Delete generations that are no longer needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import progress
from engine.system.existence import entry_exists
from engine.system.files import symlink
from states.venv.generations.in_use import is_in_use
from states.venv.generations.previous import gc_order
from states.venv.generations.recovery import try_delete
from states.venv.generations.store import list_generations
from states.venv.integrity.intact import has_intact_files
from states.venv.integrity.receipt import has_whole_receipt, is_protected, read_receipt
from states.venv.layout import PINNED, QUARANTINED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from states.venv.layout import Store


def collectable(
    store: Store,
    keep: int,
    *,
    is_damaged: Callable[[str], bool],
    include_quarantined: bool = False,
    errors: list[OSError] | None = None,
) -> list[str]:
    """Return the generations that may be deleted.

    The live generation, the held one, a pinned one, and one that a process runs from always
    stay. So does the newest damaged generation. Older ones don't: if something damages a venv
    again and again, they would fill the disk. A generation that can't be read stays.

    Args:
        store: The store of the venv.
        keep: The number of previous, undamaged generations to keep for a rollback.
        is_damaged: Whether a rollback would refuse a generation that has a readable receipt and
            isn't quarantined. Called for the newest ones, until enough undamaged ones are known.
        include_quarantined: Whether the newest damaged generation may also be deleted.
        errors: Receives the errors of the generations that can't be read.

    Returns:
        The IDs, oldest first.

    """
    undamaged, damaged, deletable = 0, [], set()
    for identifier in reversed(gc_order(store)):
        root = store.generation(identifier)
        try:
            # Another version of converge may be able to use a receipt of another format.
            is_torn = not has_whole_receipt(root)
            is_bad = is_quarantined(store, identifier) or (
                undamaged < keep and read_receipt(root) is not None and is_damaged(identifier)
            )
        except OSError as error:
            progress.step(f"keeping generation {identifier}, which can't be read: {error.strerror}")
            if errors is not None:
                errors.append(error)
            continue
        if is_bad:
            damaged.append(identifier)
        elif undamaged < keep and not is_torn:
            undamaged += 1
        else:
            deletable.add(identifier)
    deletable.update(damaged if include_quarantined else sorted(damaged)[:-1])
    return [
        identifier
        for identifier in list_generations(store)
        if identifier in deletable
        and not is_pinned(store, identifier)
        and not is_in_use(store.generation(identifier))
    ]


def has_damage(store: Store, ignore: tuple[str, ...], identifier: str) -> bool:
    """Return whether the files of a generation differ from its manifest. This only reads.

    An interpreter that was replaced since isn't damage: it affects all generations alike.

    Args:
        store: The store of the venv.
        ignore: Patterns of paths that may appear and change.
        identifier: The generation.

    Returns:
        Whether a rollback would refuse it.

    Raises:
        OSError: A file can't be read.

    """
    root = store.generation(identifier)
    receipt = read_receipt(root)
    return receipt is None or not has_intact_files(root, receipt, ignore)


def collect(store: Store, identifiers: Iterable[str]) -> list[str]:
    """Delete generations, and return the IDs of those that are gone.

    The lock of the store must be held. A kill in here leaves unfinished entries.
    """
    deleted = []
    for identifier in identifiers:
        progress.detail(f"deleting generation {identifier}")
        if try_delete(store, f"generations/{identifier}"):
            deleted.append(identifier)
    return deleted


def quarantine(store: Store, identifier: str) -> None:
    """Mark a damaged generation, so that it is kept for an investigation."""
    mark = f"{store.generation(identifier)}/{QUARANTINED}"
    if is_protected(store.generation(identifier)) and not entry_exists(mark):
        symlink("quarantined", mark)  # A symlink needs no space on a full disk.


def is_quarantined(store: Store, identifier: str) -> bool:
    """Return whether a generation was replaced because it was damaged."""
    return entry_exists(f"{store.generation(identifier)}/{QUARANTINED}")


def is_pinned(store: Store, identifier: str) -> bool:
    """Return whether a user pinned a generation, so that it is never deleted."""
    return entry_exists(f"{store.generation(identifier)}/{PINNED}")
