"""Rewrite the receipt and the caches of an unchanged venv. Its content stays untouched."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.errors import LockTimeout, PermissionDenied
from engine.frozen import replace
from engine.system.atomic_write import write_atomic
from engine.system.files import sha256
from engine.system.linux import sync_filesystem
from engine.system.lock import hold_lock
from states.venv.generations.access import lock_of
from states.venv.generations.previous import PREVIOUS_NAME
from states.venv.generations.store import list_generations
from states.venv.integrity.drift import find_drift
from states.venv.integrity.manifest import load_manifest
from states.venv.integrity.mapped_writes import (
    ctime_shows_mapped_writes,
    may_be_mapped,
    sync_mappings,
)
from states.venv.integrity.receipt import is_protected, lock_text, write_receipt
from states.venv.integrity.stat_cache import pack_stats, stat_paths, unreliable_stats
from states.venv.integrity.system_modules import refresh_modules
from states.venv.layout import LOCKFILE, METADATA_DIR, STATS
from states.venv.resolve.reuse.planned import delete_record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.settings import Settings
    from states.venv.integrity.manifest import Manifest
    from states.venv.layout import Store
    from states.venv.observe import Observation
    from states.venv.resolve.selection import Selection
    from states.venv.spec import Venv


def refresh(spec: Venv, observation: Observation, selection: Selection, settings: Settings) -> None:
    """Record the current request and lock in the receipt, and the current stats in the cache.

    This runs at the end of a run that found no change but an outdated cache. It is an
    optimization: if another run holds the lock, or a file can't be written, nothing happens.

    Args:
        spec: The declared venv.
        observation: The observation, with a receipt.
        selection: The interpreter and the packages.
        settings: The cache directory.

    """
    root, receipt = observation.root, observation.receipt
    assert receipt is not None  # An unchanged venv has one.
    with (
        suppress(OSError, LockTimeout, PermissionDenied),
        hold_lock(lambda: lock_of(observation.store, spec.path), 0),
    ):
        # Otherwise, another user could redirect these writes.
        if not is_protected(root):
            return
        if observation.stats_outdated:
            manifest = load_manifest(root, receipt.manifest) or {}
            update_stat_cache(root, manifest, receipt.partly_ignored, spec.ignore)
        # INVARIANT: the lock before the receipt, which has its digest. A kill in between leaves
        # a lock that doesn't match: the next run resolves again.
        lock = selection.lock.encode()
        if lock_text(root, receipt) != selection.lock:
            write_atomic(f"{root}/{LOCKFILE}", lock, durable=True, locked=True)
        updated = replace(
            receipt,
            inputs=spec.inputs,
            request=selection.request,
            lock=sha256(lock),
            system_modules=refresh_modules(root, spec.system_packages, receipt.system_modules),
        )
        if updated != receipt:
            write_receipt(updated, root)
        delete_record(spec, settings)


def free_caches(store: Store, needed: str) -> None:
    """Delete the stat caches and the record of previous generations to make a rollback possible.

    A rollback calls this on a full disk. The lock of the store must be held.

    Args:
        store: The store of the venv.
        needed: The generation whose stat cache stays.

    Raises:
        OSError: A cache can't be deleted.

    """
    roots = [store.generation(name) for name in list_generations(store) if name != needed]
    stat_caches = [f"{root}/{STATS}" for root in roots if is_protected(root)]
    for path in (*stat_caches, f"{store.root}/{PREVIOUS_NAME}"):
        with suppress(FileNotFoundError):
            os.unlink(path)
    # A file system may free the blocks only now.
    sync_filesystem(store.root)


def update_stat_cache(
    root: str, manifest: Manifest, partly_ignored: Iterable[str], ignore: tuple[str, ...]
) -> None:
    """Record the metadata of all files, if they match the manifest.

    The lock of the store must be held.

    Args:
        root: The directory of the generation.
        manifest: Its manifest.
        partly_ignored: Its directories in which ignored files may appear and disappear.
        ignore: Patterns of ignored paths.

    Raises:
        OSError: A file can't be read, or the cache can't be written.

    """
    with suppress(FileNotFoundError):
        # A write copies the directory up from a container's image, which changes its metadata
        # and that of its parents. Do that before reading them.
        os.utime(f"{root}/{METADATA_DIR}")
        paths = stat_paths(manifest, partly_ignored)
        stats = pack_stats(root, paths)
        if may_be_mapped(manifest.values()):
            if not ctime_shows_mapped_writes(os.path.dirname(os.path.dirname(root))):
                stats = unreliable_stats()
            else:
                # INVARIANT: between the two reads, so that a write through a mapping has either
                # changed what the second one reads, or changes it later.
                sync_mappings(root)
                if pack_stats(root, paths) != stats:
                    return  # A later run tries again.
        # INVARIANT: read the metadata, then compare the content. A file that is changed in
        # between gets other metadata, so the cache doesn't hide the change.
        if not find_drift(root, manifest, ignore):
            write_atomic(f"{root}/{STATS}", stats, durable=True, locked=True)
