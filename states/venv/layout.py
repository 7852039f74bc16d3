"""The paths of a venv: the published symlink, and the hidden store beside it."""

from __future__ import annotations

import os

from engine.frozen import frozen
from engine.system.existence import resolve

NEW = "new"
"""In a plan, the ID of a generation that doesn't exist yet."""
SYSTEM_MODULES = "system-packages."
"""The prefix of the attributes of modules of the distribution that changed."""
METADATA_DIR = ".converge"
"""The directory in a generation for the metadata that converge records."""
RECEIPT = f"{METADATA_DIR}/receipt.json"
LEASE = f"{METADATA_DIR}/lease"
MANIFEST = f"{METADATA_DIR}/manifest.json"
LOCKFILE = f"{METADATA_DIR}/pylock.toml"
STATS = f"{METADATA_DIR}/stats"
PINNED = f"{METADATA_DIR}/pinned"
QUARANTINED = f"{METADATA_DIR}/quarantined"
PACKAGED = f"{METADATA_DIR}/persistent"
"""The directory in a generation for the packaged content of persistent directories."""
METADATA = (RECEIPT, LEASE, MANIFEST, LOCKFILE, STATS, PINNED, QUARANTINED, PACKAGED)
"""Everything that the metadata directory may contain."""


@frozen
class Store:
    """The paths of one venv. All of them follow from the published path."""

    published: str
    root: str

    @property
    def generations(self) -> str:
        """The directory of all generations."""
        return f"{self.root}/generations"

    @property
    def lock(self) -> str:
        """The file that a run locks, so that no other run changes the store."""
        return f"{self.root}/lock"

    @property
    def persistent(self) -> str:
        """The directory of everything that is kept across generations."""
        return f"{self.root}/persistent"

    def generation(self, identifier: str) -> str:
        """Return the directory of one generation."""
        return f"{self.generations}/{identifier}"


def store_of(path: str) -> Store:
    """Return the store of a path.

    Symlinks in the path of the directory are resolved, so each spelling has the same store.

    Raises:
        OSError: A directory in the path can't be read.

    """
    parent, name = os.path.split(path)
    parent = resolve(parent)
    return Store(os.path.join(parent, name), os.path.join(parent, f".{name}"))
