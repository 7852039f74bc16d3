"""Bringing a venv about: a generation that is at hand, or built aside, and one rename.

Whatever happens before the rename is invisible; whatever is left of it after a kill has
no receipt, counts for nothing, and is removed by the next run.
"""

from __future__ import annotations

from engine import progress
from engine.value import replace
from states.venv import former, hold
from states.venv import receipt as receipts
from states.venv.building import Job, abandon, built
from states.venv.choice import shaped
from states.venv.observation import sealed_well
from states.venv.retiring import (
    abandoned,
    clear,
    is_quarantined,
    quarantine,
    retirable,
    retire,
    stuck,
)
from states.venv.room import told_if_full
from states.venv.store import current, demolish, generations, publish, withdraw
from states.workplace import workplace_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.settings import Settings
    from states.venv.choice import Choice
    from states.venv.observation import View
    from states.venv.receipt import Receipt
    from states.venv.spec import Venv
    from states.venv.store import Store


def make(
    spec: Venv, store: Store, chosen: Choice, settings: Settings, views: tuple[View, ...]
) -> Choice:
    """Publish a generation that is what was chosen; return the choice with versions filled in.

    `views` are those of this venv, first, and of others that packages may be taken from.
    The lock of the store must be held.
    """
    recover(store)
    receipt = _at_hand(spec, views[0], chosen)
    if receipt is None:
        with told_if_full(store, chosen, settings, views), workplace_in(store.root) as work:
            receipt = built(Job(spec, store, chosen, settings, work), views)
    progress.step("publishing")
    if views[0].damaged and views[0].receipt and views[0].receipt != receipt:
        quarantine(store, views[0].receipt.generation)
    _note_former(store, receipt.generation)
    publish(store, receipt.generation)
    hold.release(store)
    retire(store, retirable(store, spec.keep))
    abandon(store)  # what was live may have lost its receipt
    return replace(chosen, packages=receipt.packages)


def restore(store: Store, held: str) -> None:
    """Have the path lead to a held generation again; nothing is built, and the hold stays."""
    recover(store)
    if current(store) != held:
        publish(store, held)
        abandon(store)


def remove(store: Store) -> None:
    """Take a venv away: first the name, then what it led to."""
    withdraw(store)
    # Killed in here, what is left of the store is still to be removed, and the next run does.
    try:
        demolish(store)
    except OSError as error:
        # It names a file by its last part only.
        raise type(error)(error.errno, error.strerror, store.root) from error


def recover(store: Store) -> list[str]:
    """Remove what an interrupted run left, and return what of it is gone.

    Asks nobody, and may itself be interrupted.
    """
    gone = []
    for relative in abandoned(store):
        progress.step(f"removing {relative}, left by an interrupted run")
        if clear(store, relative):
            gone.append(relative)
    for name in stuck(store):
        clear(store, name)
    if hold.is_void(store):
        progress.step("ending a hold that an interrupted run left")
        hold.release(store)
    return gone


def _note_former(store: Store, following: str) -> None:
    """Note what is to be replaced; if that is damaged, what was before it is still the former."""
    live = current(store)
    if live in (None, following):
        return
    whole = receipts.read(store.generation(live)) and not is_quarantined(store, live)
    before = live if whole else former.before(store)
    if before:
        former.note(store, before, following)


def _at_hand(spec: Venv, view: View, chosen: Choice) -> Receipt | None:
    """Find a finished generation that is just what is wanted, and still what its seal says."""
    store = view.store
    for identifier in reversed(generations(store)):
        root = store.generation(identifier)
        receipt = receipts.read(root) if receipts.protected(root) else None
        if receipt is None or not _fits(receipt, spec, chosen):
            continue
        looked_at = view.receipt is not None and view.receipt.generation == identifier
        whole = not view.damaged if looked_at else sealed_well(store, receipt, spec.ignore)
        if whole:
            return receipt
    return None


def _fits(receipt: Receipt, spec: Venv, chosen: Choice) -> bool:
    have = {(one.name, one.origin, one.content) for one in receipt.packages}
    want = {(one.name, one.origin, one.content) for one in chosen.packages}
    return (
        have == want
        and shaped(spec, receipt)
        and receipt.python.executable == chosen.python.executable
        and receipt.python.digest == chosen.python.digest
    )
