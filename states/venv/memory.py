"""Bringing our own notes about an unchanged venv up to date; no content is touched."""

from __future__ import annotations

import os
from contextlib import suppress

from engine.errors import Busy, Forbidden
from engine.files import sha256, write_durably
from engine.lock import holding
from engine.syscalls import flush_file_system
from engine.value import replace
from states.venv import former
from states.venv import receipt as receipts
from states.venv import seal as seals
from states.venv.damage import damage
from states.venv.store import NOTES, generations, lock_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from states.venv.choice import Choice
    from states.venv.observation import View
    from states.venv.seal import Seal
    from states.venv.spec import Venv
    from states.venv.store import Store


def refresh(spec: Venv, view: View, chosen: Choice) -> None:
    """Remember what was asked this time, and how stats look now, where that is possible.

    A torn update costs a resolution or a hashing, nothing else. Nothing is written where
    somebody else could have it end up elsewhere.
    """
    assert view.receipt is not None  # an unchanged venv has one
    with suppress(OSError, Busy, Forbidden), holding(lambda: lock_of(view.store, spec.path), 0):
        if not receipts.protected(view.root):
            return
        if view.stale:
            seal = seals.load(view.root, view.receipt.seal) or {}
            note(view.root, seal, view.receipt.loose, spec.ignore)
        lock = chosen.lock.encode()
        if receipts.lock_text(view.root, view.receipt) != chosen.lock:
            write_durably(f"{view.root}/{NOTES}/pylock.toml", lock, alone=True)
        receipt = replace(
            view.receipt, inputs=spec.inputs, request=chosen.request, lock=sha256(lock)
        )
        if receipt != view.receipt:
            receipts.write(receipt, view.root)


def make_way(store: Store, needed: str) -> None:
    """Remove, on a full disk, what is but remembered; not so of the one generation that is needed.

    The store's lock must be held.
    """
    others = [store.generation(one) for one in generations(store) if one != needed]
    memories = [f"{root}/{NOTES}/stats" for root in others if receipts.protected(root)]
    for one in (*memories, f"{store.root}/{former.NAME}"):
        with suppress(FileNotFoundError):
            os.unlink(one)
    flush_file_system(store.root)  # only then is what was freed given to others


def note(root: str, seal: Seal, loose: Iterable[str], ignore: tuple[str, ...]) -> None:
    """Note how all looks, if all is as sealed; the store's lock must be held.

    Looked at first and compared then: what is touched meanwhile looks different afterwards.
    """
    with suppress(FileNotFoundError):
        # To write copies the folders above out of a container's image, and they look new: done now.
        os.utime(f"{root}/{NOTES}")
        looks = seals.stats(root, seals.watched(seal, loose))
        if not damage(root, seal, ignore):
            write_durably(f"{root}/{NOTES}/stats", looks, alone=True)
