"""Find the existing data that a persistent directory starts with."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.frozen import frozen
from states.system.trees import copy_metadata, open_directory
from states.venv.integrity.manifest import load_manifest
from states.venv.layout import store_of
from states.venv.observe import FOREIGN

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from states.venv.build.persistent.rules import AddData
    from states.venv.layout import Store
    from states.venv.observe import Observation
    from states.venv.spec import Venv

_MAX_NAMES = 5
"""Maximum number of paths in a message."""


@frozen
class Source:
    """A directory with data of users."""

    top: str
    """A directory that may be a symlink."""
    name: str
    """The relative path of the data."""
    is_live: bool = False
    """Whether it belongs to the live generation, in which the directory wasn't persistent."""
    is_predecessor: bool = False
    """Whether it belongs to the venv at the earlier path of the declaration."""

    @property
    def path(self) -> str:
        """The path of the data."""
        return f"{self.top}/{self.name}"

    def open(self) -> AbstractContextManager[int | None]:
        """Yield a descriptor of the directory, or None if it doesn't exist."""
        return open_directory(self.top, self.name)

    def copy_directory_metadata(self, target: str) -> bool:
        """Give a directory the owner and mode of this one. Return False if this doesn't exist."""
        with self.open() as source:
            if source is None:
                return False
            descriptor = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                copy_metadata(descriptor, source, os.fstat(source))
            finally:
                os.close(descriptor)
        return True

    def messages(self, name: str, rule: AddData) -> list[str]:
        """Return a message if the target has other content than this directory."""
        if self.is_live or not rule.kept:
            return []
        shown = ", ".join(f"`{name}/{path}`" for path in rule.kept[:_MAX_NAMES])
        more = len(rule.kept) - _MAX_NAMES
        suffix = f" and {more} more" if more > 0 else ""
        return [f"kept the existing {shown}{suffix}; `{self.top}` has other content"]


def find_sources(observation: Observation, spec: Venv, store: Store, name: str) -> list[Source]:
    """Return the directories from which a persistent directory is filled, the best one first.

    Args:
        observation: The observation of the venv.
        spec: The declared venv.
        store: Its store.
        name: The persistent directory.

    Returns:
        Existing directories.

    """
    sources = []
    if (observation.state or {}).get("path") == FOREIGN:
        sources.append(Source(store.published, name))
    elif observation.receipt is not None:
        manifest = load_manifest(observation.root, observation.receipt.manifest) or {}
        if manifest and (name not in manifest or manifest[name].kind != "l"):
            sources.append(Source(observation.root, name, is_live=True))
    sources += [
        Source(store_of(path).persistent, name, is_predecessor=True) for path in spec.predecessors
    ]
    return [source for source in sources if _exists(source)]


def _exists(source: Source) -> bool:
    with suppress(FileNotFoundError), source.open() as descriptor:
        return descriptor is not None
    return False
