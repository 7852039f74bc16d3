"""Fill the persistent directories of a venv: with existing data, and with files of packages.

No entry that a user changed, added, or deleted is ever changed. A file of a package is:

* added, unless an earlier generation already brought it: then a user has deleted it.
* updated, if the present one is as an earlier generation brought it.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import PermissionDenied
from engine.system.existence import is_directory
from engine.system.files import fsync_dir
from engine.system.linux import sync_filesystem
from engine.system.permissions import untrusted_reason
from states.system.trees import open_directory
from states.venv.build.persistent.rules import AddData, AddPackaged, History
from states.venv.build.persistent.sources import Source, find_sources
from states.venv.layout import PACKAGED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.venv.build.stages import BuildContext, Ids
    from states.venv.layout import Store


def fill_persistent(
    context: BuildContext, root: str, ids: Ids, *, updates: bool
) -> tuple[str, ...]:
    """Create each persistent directory in the store, and add what it lacks.

    This may be killed at any point: it does the rest when it is called again.

    Args:
        context: The venv. The lock of its store must be held.
        root: The generation with the files of the packages.
        ids: The owner and group of new files.
        updates: Whether to also update unedited files. The live generation also uses them.

    Returns:
        Messages about copied data and about files that weren't updated.

    Raises:
        PermissionDenied: Another user could redirect a directory in the store.
        OSError: An entry can't be read or written.

    """
    if not context.spec.persistent:
        return ()
    filling = _Filling(context, root, ids, updates=updates)
    for name in context.spec.persistent:
        filling.fill(name)
    return tuple(filling.messages)


class _Filling:
    """Fills the directories of one generation."""

    def __init__(self, context: BuildContext, root: str, ids: Ids, *, updates: bool) -> None:
        self.store = context.store
        self.spec = context.spec
        self.observation = context.observation
        self.scratch = f"{context.scratch}/persistent"
        self.root = root
        self.ids = ids
        self.updates = updates
        self.history = History.load(context.store, root)
        self.messages: list[str] = []
        os.makedirs(self.scratch, 0o700, exist_ok=True)

    def fill(self, name: str) -> None:
        """Create a directory in the store, or add what it lacks."""
        in_store = f"{self.store.persistent}/{name}"
        sources = find_sources(self.observation, self.spec, self.store, name)
        if not is_directory(in_store):
            _create_parents(self.store, name)
            self._create(name, in_store, sources)
            return
        # The packages of the live generation have their files elsewhere.
        is_new = any(source.is_live for source in sources)
        if is_new and os.lstat(in_store).st_uid == os.geteuid():
            os.chown(in_store, *self.ids, follow_symlinks=False)
        lasting = [source for source in sources if not source.is_predecessor]
        if self._merge(name, self.store.persistent, lasting, is_fresh=False):
            sync_filesystem(in_store)

    def _create(self, name: str, in_store: str, sources: list[Source]) -> None:
        """Create a directory in the store with its initial content.

        Args:
            name: The persistent directory.
            in_store: Its path in the store.
            sources: Directories with data of users.

        """
        # INVARIANT: complete before the rename, so that a kill leaves either no directory or
        # the whole one. Recovery deletes the scratch directory.
        incomplete = f"{self.scratch}/incomplete"
        self._create_incomplete(name, incomplete, sources)
        try:
            os.rename(incomplete, in_store)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.rmtree(incomplete)
            self._create_on_other_disk(name, in_store, sources)

    def _create_on_other_disk(self, name: str, in_store: str, sources: list[Source]) -> None:
        """Create a directory below a mount point, and sync it: the sync of the build doesn't.

        Args:
            name: The persistent directory.
            in_store: Its path in the store.
            sources: Directories with data of users.

        """
        parent, basename = os.path.split(in_store)
        incomplete = f"{parent}/.{basename}.next"
        with suppress(FileNotFoundError):
            shutil.rmtree(incomplete)  # A killed run left it.
        self._create_incomplete(name, incomplete, sources)
        # INVARIANT: the content must be on disk before its name.
        sync_filesystem(incomplete)
        os.rename(incomplete, in_store)
        fsync_dir(parent)

    def _create_incomplete(self, name: str, directory: str, sources: list[Source]) -> None:
        os.mkdir(directory, 0o700)
        self._merge(name, directory, sources, is_fresh=True)
        for source in sources:
            if source.copy_directory_metadata(directory):
                return
        os.chmod(directory, 0o755)
        os.chown(directory, *self.ids)

    def _merge(self, name: str, top: str, sources: list[Source], *, is_fresh: bool) -> bool:
        """Add the data of the sources, then the files of the packages.

        Args:
            name: The persistent directory.
            top: The new directory, or the directory in the store that contains it.
            sources: Directories with data of users.
            is_fresh: Whether the directory is new.

        Returns:
            Whether anything was written.

        """
        with open_directory(top, "." if is_fresh else name) as target:
            if target is None:
                return False  # An administrator has replaced it by a symlink.
            changed = False
            for source in sources:
                with source.open() as directory:
                    if directory is None:
                        continue
                    progress.step(f"copying {name} from {source.path}")
                    rule = AddData(self.scratch, name, self.history if source.is_live else None)
                    rule.merge(directory, target)
                    changed |= rule.changed
                    self.messages += source.messages(name, rule)
            packaged = AddPackaged(self.scratch, name, self.history, self.ids)
            packaged.is_fresh, packaged.updates = is_fresh, self.updates
            with open_directory(f"{self.root}/{PACKAGED}", name) as directory:
                if directory is not None:
                    packaged.merge(directory, target)
        if self.updates:
            self.messages += [
                f"kept the edited file `{self.store.persistent}/{path}`; "
                f"the version of its package is `{self.root}/{PACKAGED}/{path}`"
                for path in packaged.kept
            ]
        return changed or packaged.changed


def require_safe_parents(store: Store, name: str) -> None:
    """Check the existing parents of a persistent directory.

    Raises:
        PermissionDenied: Another user could redirect entries of a parent.

    """
    for _ in _missing_parents(store, name):
        return  # Below a missing directory, nothing exists.


def _create_parents(store: Store, name: str) -> None:
    """Create the parents of a persistent directory. Refuse one that another user controls.

    Raises:
        PermissionDenied: Another user could redirect entries of a parent.

    """
    for directory in _missing_parents(store, name):
        os.mkdir(directory, 0o755)


def _missing_parents(store: Store, name: str) -> Iterator[str]:
    """Check each parent of a persistent directory, and yield those that don't exist.

    A parent is controlled by another user if it is persistent itself and has an owner, or if
    it is the mount point of a file system with another owner.

    Raises:
        PermissionDenied: Another user could redirect entries of a parent.

    """
    directory = store.root
    for part in (os.path.basename(store.persistent), *name.split("/")[:-1]):
        directory = f"{directory}/{part}"
        try:
            status = os.lstat(directory)
        except FileNotFoundError:
            yield directory
            continue
        is_directory = stat.S_ISDIR(status.st_mode)
        reason = untrusted_reason(status) if is_directory else "not a directory"
        if reason:
            raise PermissionDenied(
                f"unsafe directory `{directory}`: {reason}, "
                "and writes below it could be redirected",
                hint="add the parent itself to `persistent`, or create the directory in it",
            )
