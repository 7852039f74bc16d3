"""Bringing our own notes about an unchanged venv up to date; no content is touched."""

from __future__ import annotations

import os
from contextlib import suppress

from engine.errors import LockTimeout, PermissionDenied
from engine.frozen import replace
from engine.system.files import sha256, write_atomic
from engine.system.linux import sync_filesystem
from engine.system.lock import hold_lock
from states.venv.generations import previous
from states.venv.generations.store import list_generations, lock_of
from states.venv.integrity import manifest as seals
from states.venv.integrity import receipt as receipts
from states.venv.integrity.drift import find_drift
from states.venv.layout import METADATA_DIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from states.venv.integrity.manifest import Manifest
    from states.venv.layout import Store
    from states.venv.observe import Observation
    from states.venv.resolve.selection import Selection
    from states.venv.spec import Venv


def refresh(spec: Venv, view: Observation, chosen: Selection) -> None:
    """Remember what was asked this time, and how stats look now, where that is possible.

    A torn update costs a resolution or a hashing, nothing else. Nothing is written where
    somebody else could have it end up elsewhere.
    """
    assert view.receipt is not None  # an unchanged venv has one
    with (
        suppress(OSError, LockTimeout, PermissionDenied),
        hold_lock(lambda: lock_of(view.store, spec.path), 0),
    ):
        if not receipts.is_protected(view.root):
            return
        if view.stale:
            seal = seals.load(view.root, view.receipt.manifest) or {}
            update_stat_cache(view.root, seal, view.receipt.loose, spec.ignore)
        lock = chosen.lock.encode()
        if receipts.lock_text(view.root, view.receipt) != chosen.lock:
            write_atomic(f"{view.root}/{METADATA_DIR}/pylock.toml", lock, durable=True, locked=True)
        receipt = replace(
            view.receipt, inputs=spec.inputs, request=chosen.request, lock=sha256(lock)
        )
        if receipt != view.receipt:
            receipts.write(receipt, view.root)


def free_caches(store: Store, needed: str) -> None:
    """Remove, on a full disk, what is but remembered; not so of the one generation that is needed.

    The store's lock must be held.
    """
    others = [store.generation(one) for one in list_generations(store) if one != needed]
    memories = [f"{root}/{METADATA_DIR}/stats" for root in others if receipts.is_protected(root)]
    for one in (*memories, f"{store.root}/{previous.NAME}"):
        with suppress(FileNotFoundError):
            os.unlink(one)
    sync_filesystem(store.root)  # only then is what was freed given to others


def update_stat_cache(
    root: str, seal: Manifest, loose: Iterable[str], ignore: tuple[str, ...]
) -> None:
    """Note how all looks, if all is as sealed; the store's lock must be held.

    Looked at first and compared then: what is touched meanwhile looks different afterwards.
    """
    with suppress(FileNotFoundError):
        # To write copies the folders above out of a container's image, and they look new: done now.
        os.utime(f"{root}/{METADATA_DIR}")
        looks = seals.pack_stats(root, seals.stat_paths(seal, loose))
        if not find_drift(root, seal, ignore):
            write_atomic(f"{root}/{METADATA_DIR}/stats", looks, durable=True, locked=True)
