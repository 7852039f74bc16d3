"""The paths of a venv: the published symlink, and the hidden store beside it."""

from __future__ import annotations

import os

from engine.frozen import frozen

NEW = "new"
"""Stands for the id of a generation that doesn't exist yet, in plans."""
METADATA_DIR = ".converge"
"""The folder inside a generation that holds what we know of it."""
RECEIPT = f"{METADATA_DIR}/receipt.json"
LEASE = f"{METADATA_DIR}/lease"


@frozen
class Store:
    """The places of one venv; all of them follow from the path that is published."""

    published: str
    root: str

    @property
    def generations(self) -> str:
        """The folder of all generations."""
        return f"{self.root}/generations"

    @property
    def lock(self) -> str:
        """The file whose lock makes one engine at a time."""
        return f"{self.root}/lock"

    @property
    def persistent(self) -> str:
        """The folder of what lives on across generations."""
        return f"{self.root}/persistent"

    def generation(self, identifier: str) -> str:
        """Return the folder of one generation."""
        return f"{self.generations}/{identifier}"


def store_of(path: str) -> Store:
    """Return the store of a path, the same one by whichever name its folder is reached."""
    parent, name = os.path.split(path)
    parent = os.path.realpath(parent)
    return Store(os.path.join(parent, name), os.path.join(parent, f".{name}"))
