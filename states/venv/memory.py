"""Bringing our own notes about an unchanged venv up to date; no content is touched."""

from __future__ import annotations

from contextlib import suppress

from engine.errors import Busy
from engine.files import sha256, write_durably
from engine.lock import holding
from engine.value import replace
from states.venv import receipt as receipts
from states.venv import seal as seals
from states.venv.store import NOTES, lock_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.choice import Choice
    from states.venv.observation import View
    from states.venv.spec import Venv


def refresh(spec: Venv, view: View, chosen: Choice) -> None:
    """Remember what was asked this time, and how stats look now, where that is possible.

    A torn update costs a resolution or a hashing, nothing else.
    """
    assert view.receipt is not None  # an unchanged venv has one
    with suppress(OSError, Busy), holding(lambda: lock_of(view.store), 0):
        if view.stale:
            seal = seals.load(view.root, view.receipt.seal) or {}
            watched = seals.watched(seal, view.receipt.loose)
            write_durably(f"{view.root}/{NOTES}/stats", seals.stats(view.root, watched))
        lock = chosen.lock.encode()
        if receipts.lock_text(view.root, view.receipt) != chosen.lock:
            write_durably(f"{view.root}/{NOTES}/pylock.toml", lock)
        receipt = replace(
            view.receipt, inputs=spec.inputs, request=chosen.request, lock=sha256(lock)
        )
        if receipt != view.receipt:
            receipts.write(receipt, view.root)
