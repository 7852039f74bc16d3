"""A finished generation: the only value that can be published."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.frozen import frozen
from states.venv.integrity.receipt import read_receipt

if TYPE_CHECKING:
    from states.venv.integrity.receipt import Receipt
    from states.venv.layout import Store


@frozen
class Generation:
    """A directory whose build was finished: complete, synced, and with a valid receipt.

    # INVARIANT: values come from `load_generation` and from `finish`, the last stage of a
    # build, and from nowhere else. A test checks that.
    """

    root: str
    receipt: Receipt

    @property
    def identifier(self) -> str:
        """The name of its directory in the store."""
        return os.path.basename(self.root)


def load_generation(store: Store, identifier: str) -> Generation | None:
    """Return a generation of a store, or None if its receipt is missing, torn, or unreadable."""
    root = store.generation(identifier)
    receipt = read_receipt(root)
    return None if receipt is None else Generation(root, receipt)
