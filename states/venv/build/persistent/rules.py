"""Which entries a persistent directory gets: data of users, and files of packages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from states.system.tree_merge import TreeMerge
from states.system.trees import Node, copy_metadata
from states.venv.build.ownership import normalized_mode
from states.venv.generations.store import list_generations
from states.venv.integrity.manifest import load_manifest
from states.venv.integrity.receipt import is_protected, read_receipt
from states.venv.layout import PACKAGED

if TYPE_CHECKING:
    from states.venv.build.stages import Ids
    from states.venv.integrity.manifest import Manifest
    from states.venv.layout import Store


class History:
    """The files that the packages of earlier generations brought, from their manifests."""

    def __init__(self, manifests: list[Manifest]) -> None:
        self._manifests = manifests

    @classmethod
    def load(cls, store: Store, current: str) -> History:
        """Read the manifests of all generations of a store except the current one."""
        manifests = []
        for identifier in list_generations(store):
            root = store.generation(identifier)
            receipt = read_receipt(root) if root != current and is_protected(root) else None
            manifest = load_manifest(root, receipt.manifest) if receipt else None
            if manifest is not None:
                manifests.append(manifest)
        return cls(manifests)

    def brought(self, path: str) -> bool:
        """Return whether an earlier generation brought a file to a persistent directory."""
        return any(f"{PACKAGED}/{path}" in manifest for manifest in self._manifests)

    def has(self, path: str, node: Node) -> bool:
        """Return whether an earlier generation brought this content, persistent or not."""
        entries = [
            manifest[name]
            for manifest in self._manifests
            for name in (path, f"{PACKAGED}/{path}")
            if name in manifest and manifest[name].kind in "fl"
        ]
        # The size first: a sparse file may be endless.
        if not any(entry.kind == "l" or entry.size == node.size() for entry in entries):
            return False
        content = node.content()
        return any(entry.content == content for entry in entries)


class AddData(TreeMerge):
    """Adds data of users with its owners and modes. Existing entries stay.

    Attributes:
        packaged: The files that packages brought to the source. Unedited ones aren't data.
        kept: Existing entries with another content.

    """

    def __init__(self, scratch: str, name: str, packaged: History | None) -> None:
        super().__init__(scratch)
        self.name = name
        self.packaged = packaged
        self.kept: list[str] = []

    def wants(self, path: str, source: Node, existing: Node | None) -> bool:
        """Decide about an entry: it is added if it is data, and missing.

        Args:
            path: Its path, relative to the persistent directory.
            source: The entry.
            existing: The entry in the persistent directory, if there is one.

        Returns:
            Whether to write it.

        """
        if self.packaged and self.packaged.has(f"{self.name}/{path}", source):
            return False
        if existing is not None and not existing.equals(source):
            self.kept.append(path)
        return existing is None

    def set_metadata(self, descriptor: int, source: int, status: os.stat_result) -> None:
        """Copy owner, mode, attributes, and times from the source.

        Args:
            descriptor: The new file or directory.
            source: The source.
            status: The metadata of the source.

        """
        copy_metadata(descriptor, source, status)

    def owner_of(self, status: os.stat_result) -> Ids:
        """Return the owner of the source."""
        return status.st_uid, status.st_gid


class AddPackaged(TreeMerge):
    """Adds files of packages, and updates the unedited ones.

    Attributes:
        is_fresh: Whether the directory is new, so that no file can have been deleted from it.
        updates: Whether to update files.
        kept: The edited files that have another content than the package.

    """

    creates_empty_directories = False

    def __init__(self, scratch: str, name: str, history: History, ids: Ids) -> None:
        super().__init__(scratch)
        self.name = name
        self.history = history
        self.ids = ids
        self.is_fresh = False
        self.updates = False
        self.kept: list[str] = []

    def wants(self, path: str, source: Node, existing: Node | None) -> bool:
        """Decide about a file: it is added if it is new, and updated if it is unedited.

        Args:
            path: Its path, relative to the persistent directory.
            source: The entry.
            existing: The entry in the persistent directory, if there is one.

        Returns:
            Whether to write it.

        """
        path = f"{self.name}/{path}"
        if existing is None:
            return self.is_fresh or not self.history.brought(path)
        if existing.equals(source):
            return False
        if self.history.has(path, existing):
            return self.updates or self.is_fresh
        self.kept.append(path)
        return False

    def set_metadata(self, descriptor: int, source: int, status: os.stat_result) -> None:
        """Set the declared owner and the normal mode.

        Args:
            descriptor: The new file or directory.
            source: The source.
            status: The metadata of the source.

        """
        os.fchmod(descriptor, normalized_mode(status.st_mode))
        os.fchown(descriptor, *self.ids)

    def owner_of(self, status: os.stat_result) -> Ids:
        """Return the declared owner."""
        return self.ids
