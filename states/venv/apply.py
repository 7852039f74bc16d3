"""Bringing a venv about: a generation that is at hand, or built aside, and one rename.

Whatever happens before the rename is invisible; whatever is left of it after a kill has
no receipt, counts for nothing, and is removed by the next run.
"""

from __future__ import annotations

import errno

from engine import progress
from engine.frozen import replace
from states.system.scratch import scratch_dir_in
from states.venv.build.build import build_generation
from states.venv.build.disk_space import explain_disk_full
from states.venv.build.stages import Job
from states.venv.generations import hold, previous
from states.venv.generations.gc import collect, collectable, is_quarantined, quarantine
from states.venv.generations.generation import load_generation
from states.venv.generations.recovery import clean_up_interrupted, remove_unfinished
from states.venv.generations.store import (
    delete_store,
    list_generations,
    live_id,
    publish,
    unpublish,
)
from states.venv.integrity import receipt as receipts
from states.venv.observe import is_intact
from states.venv.resolve.selection import matches_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.settings import Settings
    from states.venv.generations.generation import Generation
    from states.venv.integrity.receipt import Receipt
    from states.venv.layout import Store
    from states.venv.observe import Observation
    from states.venv.resolve.selection import Selection
    from states.venv.spec import Venv


def apply(
    spec: Venv, store: Store, chosen: Selection, settings: Settings, views: tuple[Observation, ...]
) -> Selection:
    """Publish a generation that is what was chosen; return the choice with versions filled in.

    `views` are those of this venv, first, and of others that packages may be taken from.
    The lock of the store must be held.
    """
    clean_up_interrupted(store)
    generation = _find_reusable(spec, views[0], chosen)
    if generation is None:
        with explain_disk_full(store, chosen, settings, views), scratch_dir_in(store.root) as work:
            generation = build_generation(Job(spec, store, chosen, settings, work), views)
    progress.step("publishing")
    if views[0].damaged and views[0].receipt and views[0].receipt != generation.receipt:
        quarantine(store, views[0].receipt.generation)
    _record_previous(store, generation.identifier)
    publish(store, generation)
    hold.release(store)
    collect(store, collectable(store, spec.keep))
    remove_unfinished(store)  # what was live may have lost its receipt
    return replace(chosen, packages=generation.receipt.packages)


def restore(store: Store, held: str) -> None:
    """Have the path lead to a held generation again; nothing is built, and the hold stays."""
    clean_up_interrupted(store)
    if live_id(store) != held:
        generation = load_generation(store, held)
        if generation is None:  # It had a receipt when it was observed, under this lock.
            raise OSError(errno.EIO, "the receipt can't be read", store.generation(held))
        publish(store, generation)
        remove_unfinished(store)


def remove(store: Store) -> None:
    """Take a venv away: first the name, then what it led to."""
    unpublish(store)
    # Killed in here, what is left of the store is still to be removed, and the next run does.
    try:
        delete_store(store)
    except OSError as error:
        # It names a file by its last part only.
        raise type(error)(error.errno, error.strerror, store.root) from error


def _record_previous(store: Store, following: str) -> None:
    """Note what is to be replaced; if that is damaged, what was before it is still the former."""
    live = live_id(store)
    if live in (None, following):
        return
    whole = receipts.read(store.generation(live)) and not is_quarantined(store, live)
    before = live if whole else previous.previous(store)
    if before:
        previous.record(store, before, following)


def _find_reusable(spec: Venv, view: Observation, chosen: Selection) -> Generation | None:
    """Find a finished generation that is just what is wanted, and still what its seal says."""
    store = view.store
    for identifier in reversed(list_generations(store)):
        protected = receipts.is_protected(store.generation(identifier))
        generation = load_generation(store, identifier) if protected else None
        if generation is None or not _matches(generation.receipt, spec, chosen):
            continue
        looked_at = view.receipt is not None and view.receipt.generation == identifier
        intact = (
            not view.damaged if looked_at else is_intact(store, generation.receipt, spec.ignore)
        )
        if intact:
            return generation
    return None


def _matches(receipt: Receipt, spec: Venv, chosen: Selection) -> bool:
    have = {(one.name, one.origin, one.content) for one in receipt.packages}
    want = {(one.name, one.origin, one.content) for one in chosen.packages}
    return (
        have == want
        and matches_settings(spec, receipt)
        and receipt.python.executable == chosen.python.executable
        and receipt.python.digest == chosen.python.digest
    )
