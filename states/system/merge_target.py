"""A directory that receives entries of another tree. It may not exist yet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from states.system.trees import DIRECTORY, NOT_A_DIRECTORY, Node

if TYPE_CHECKING:
    from collections.abc import Callable


class OccupiedError(Exception):
    """An entry that isn't a directory has the name of a directory."""


class Target:
    """An open directory that receives entries."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def open(self, *, create: bool = False) -> int | None:
        """Return a descriptor of the directory, or None if it doesn't exist."""
        return self._descriptor


class NewTarget(Target):
    """A directory in another one that exists, or that is created for its first entry."""

    def __init__(self, parent: Target, name: str, make: Callable[[Node], bool]) -> None:
        super().__init__(None)
        self.parent = parent
        self.name = name
        self.make = make
        """Creates the directory. Returns False if an entry with the name exists."""
        self.created = False

    def open(self, *, create: bool = False) -> int | None:
        """Return a descriptor of the directory, or None if it doesn't exist.

        Raises:
            OccupiedError: The name belongs to another kind of entry.

        """
        if self._descriptor is not None:
            return self._descriptor
        directory = self.parent.open(create=create)
        if directory is None:
            return None
        node = Node(directory, self.name)
        if create and node.status() is None:
            self.created = self.make(node)
        try:
            self._descriptor = os.open(self.name, DIRECTORY, dir_fd=directory)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in NOT_A_DIRECTORY:
                raise OccupiedError from None
            raise
        if self.created and os.listdir(self._descriptor):
            self.created = False  # The owner of the parent has put another one in its place.
        return self._descriptor

    def node(self) -> Node | None:
        """Return the entry that has the name."""
        directory = self.parent.open()
        return None if directory is None else Node(directory, self.name)

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
