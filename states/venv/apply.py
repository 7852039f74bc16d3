"""Change a venv: publish, restore, or delete it.

Everything before the publication is invisible at the published path. A kill leaves entries that
the next run deletes (`generations.recovery`), or a finished generation that it publishes.
"""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING

from engine import progress
from engine.frozen import replace
from engine.system.background import background
from states.installer.uv import Uv
from states.interpreter.user import user_of_python
from states.system.scratch import scratch_dir_in
from states.venv.accounts import renamed_accounts
from states.venv.build.build import build_generation
from states.venv.build.disk_space import explain_disk_full
from states.venv.build.ownership import resolve_ids
from states.venv.build.persistent.fill import fill_persistent
from states.venv.build.stages import BuildContext
from states.venv.generations.gc import (
    collect,
    collectable,
    has_damage,
    is_quarantined,
    quarantine,
)
from states.venv.generations.generation import load_generation
from states.venv.generations.hold import release_hold
from states.venv.generations.modes import restore_permissions
from states.venv.generations.previous import previous_id, record_previous
from states.venv.generations.recovery import clean_up_interrupted, remove_unfinished
from states.venv.generations.removal import delete_if_empty, delete_store, unpublish
from states.venv.generations.runs import PublishedBy, record_run
from states.venv.generations.store import list_generations, live_id, publish
from states.venv.integrity.intact import is_intact
from states.venv.integrity.receipt import is_protected, read_receipt
from states.venv.observe import FOREIGN, published_state
from states.venv.preconditions.used_paths import require_used_paths, used_paths
from states.venv.resolve.reuse.planned import delete_record
from states.venv.resolve.selection import matches_settings

if TYPE_CHECKING:
    from states.venv.generations.generation import Generation
    from states.venv.generations.runs import Run
    from states.venv.integrity.receipt import Package, Receipt
    from states.venv.layout import Store
    from states.venv.observe import Observation
    from states.venv.resolve.selection import Selection
    from states.venv.run.shared import VenvRun
    from states.venv.spec import Venv


def apply(
    spec: Venv,
    selection: Selection,
    shared: VenvRun,
    observations: tuple[Observation, ...],
) -> tuple[Selection, tuple[str, ...]]:
    """Publish a generation that matches a selection, and build it if none exists.

    The lock of the store must be held.

    Args:
        spec: The declared venv. Its store exists.
        selection: The interpreter and the packages.
        shared: The state of this run.
        observations: The observation of this venv, then those of others to copy packages from.

    Returns:
        The selection with all versions: that of a local project is known once it is built. And
        messages about persistent directories.

    Raises:
        ConvergeError, OSError: Nothing was published, or a later cleanup failed.

    """
    try:
        return _publish(spec, selection, shared, observations)
    finally:
        # The generation records the versions now. If it failed, they may not be installable.
        delete_record(spec, shared.settings)


def _publish(
    spec: Venv,
    selection: Selection,
    shared: VenvRun,
    observations: tuple[Observation, ...],
) -> tuple[Selection, tuple[str, ...]]:
    """Publish a matching generation.

    Args:
        spec: As for `apply`.
        selection: As for `apply`.
        shared: As for `apply`.
        observations: As for `apply`.

    Returns:
        As `apply`.

    """
    observation = observations[0]
    store, settings = observation.store, shared.settings
    # INVARIANT: delete before building, so that a kill in every run can't fill the disk.
    clean_up_interrupted(store)
    restore_permissions(store, observation.receipt.generation if observation.receipt else None)
    generation = find_reusable(spec, observation, selection)
    messages: tuple[str, ...] = ()
    if generation is None or spec.persistent:
        try:
            with (
                explain_disk_full(store, selection, settings, observations),
                scratch_dir_in(store.root) as scratch,
                background() as start,
            ):
                user = user_of_python(selection.python)
                installer = Uv(settings.cache, scratch, user, start)
                context = BuildContext(
                    spec,
                    store,
                    selection,
                    settings,
                    installer,
                    scratch,
                    observation,
                    observations,
                    messages=[],
                    start=start,
                )
                generation = generation or build_generation(context)
                # INVARIANT: after the smoke tests, and before the publication. The live generation
                # uses the same files, so a failed build must not change them.
                ids = resolve_ids(spec)
                filled = fill_persistent(context, generation.root, ids, updates=True)
                messages = tuple(dict.fromkeys((*context.messages, *filled)))
        except BaseException:
            delete_if_empty(store)
            raise
    require_used_paths(used_paths(spec, shared.uses, observation), generation.root)
    progress.step("publishing")
    observed = observation.receipt
    is_damaged = bool(observation.damaged and observed and observed != generation.receipt)
    if observed and is_damaged:
        quarantine(store, observed.generation)
    # INVARIANT: before the publication, which syncs both records with the symlink. A record that
    # doesn't name the live generation has no effect.
    _record_previous(store, generation.identifier, is_damaged=is_damaged)
    _record_run(store, generation.identifier, shared.identity)
    publish(store, generation)
    # INVARIANT: after the publication. A hold has no effect once another generation is live. If
    # it ended earlier, a kill would leave the rejected generation live and not held.
    release_hold(store)
    # INVARIANT: after the publication, so that the generation it replaced isn't live anymore.
    collect(
        store,
        collectable(store, spec.keep, is_damaged=partial(has_damage, store, spec.ignore)),
    )
    # The generation that was live may have lost its receipt.
    remove_unfinished(store)
    return replace(selection, packages=generation.receipt.packages), messages


def restore(store: Store, held: str) -> None:
    """Publish the held generation again, without building, and keep the hold.

    The lock of the store must be held.

    Args:
        store: The store of the venv.
        held: The ID of the held generation.

    Raises:
        OSError: Its receipt can't be read anymore.

    """
    clean_up_interrupted(store)
    restore_permissions(store, held)
    if live_id(store) != held:
        generation = load_generation(store, held)
        if generation is None:  # It was readable when the venv was observed, under this lock.
            raise OSError(errno.EIO, "the receipt can't be read", store.generation(held))
        publish(store, generation)
        # The generation that was live may have lost its receipt.
        remove_unfinished(store)


def remove(store: Store) -> None:
    """Delete a venv. The lock of the store must be held.

    Raises:
        OSError: The store can't be deleted. The path isn't published anymore.

    """
    # INVARIANT: the published symlink first, so that it never points to a partly deleted
    # generation. A kill leaves a store, which is still a difference for the next run.
    unpublish(store)
    try:
        delete_store(store)
    except OSError as error:
        # `shutil.rmtree` reports only the last part of the path.
        raise type(error)(error.errno, error.strerror, store.root) from error


def _record_previous(store: Store, next_id: str, *, is_damaged: bool) -> None:
    """Record the live generation as the one before the next. A damaged one passes its own on.

    Args:
        store: The store of the venv.
        next_id: The generation that is published next.
        is_damaged: Whether the live generation is known to be damaged.

    """
    live = live_id(store)
    if live in (None, next_id):
        return
    is_whole = not is_damaged and not is_quarantined(store, live)
    is_usable = is_whole and read_receipt(store.generation(live))
    before = live if is_usable else previous_id(store)
    if before:
        record_previous(store, before, next_id)


def _record_run(store: Store, next_id: str, run: Run) -> None:
    """Record the run, and the content of the path that the next generation replaces.

    Args:
        store: The store of the venv.
        next_id: The generation that is published next.
        run: The identity of this run.

    """
    state, live = published_state(store)
    if live != next_id:
        before = FOREIGN if state == FOREIGN else live or ""
        record_run(store, PublishedBy(run.id_for(store), before, next_id))


def find_reusable(spec: Venv, observation: Observation, selection: Selection) -> Generation | None:
    """Return the newest finished generation that matches the selection and is intact.

    A run that was killed before the publication leaves one. A reverted change finds one.

    Args:
        spec: The declared venv.
        observation: Its observation, which already knows whether its generation is damaged.
        selection: The interpreter and the packages.

    Returns:
        The generation, or None if none matches.

    """
    store = observation.store
    for identifier in reversed(list_generations(store)):
        try:
            root = store.generation(identifier)
            # INVARIANT: only a receipt that no other user can write counts.
            generation = load_generation(store, identifier) if is_protected(root) else None
            if generation is None or not _matches(generation.receipt, spec, selection):
                continue
            receipt, is_observed = generation.receipt, identifier == observation.live_id
            damaged = is_observed and observation.damaged
            if not damaged and (is_observed or is_intact(store, receipt, spec.ignore)):
                return generation
        except OSError as error:
            progress.step(f"keeping generation {identifier}, which can't be read: {error.strerror}")
    return None


def _matches(receipt: Receipt, spec: Venv, selection: Selection) -> bool:
    if renamed_accounts(receipt):
        return False  # Its files belong to another user or group.
    if any(module.drift() for module in receipt.system_modules):
        return False  # It links to modules that have changed.
    return (
        _contents(receipt.packages) == _contents(selection.packages)
        and matches_settings(spec, receipt)
        and receipt.python.executable == selection.python.executable
        and receipt.python.digest == selection.python.digest
    )


def _contents(packages: tuple[Package, ...]) -> set[tuple[str, ...]]:
    return {(package.name, package.origin, package.content, package.build) for package in packages}
