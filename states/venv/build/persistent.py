"""Keep directories in the store across generations, and link them into each generation."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.errors import PermissionDenied
from engine.system.existence import is_directory
from engine.system.files import fsync_dir, symlink
from engine.system.linux import sync_filesystem
from engine.system.permissions import untrusted_reason
from states.venv.build.ownership import chmod_tree, chown_tree

if TYPE_CHECKING:
    from states.venv.build.stages import Draft, Ids
    from states.venv.layout import Store


def link_persistent(draft: Draft) -> None:
    """Replace each directory that `persistent` names by a symlink into the store.

    If the store doesn't have the directory yet, it gets the content and the owner of the
    generation's directory. An existing directory in the store is never changed.

    Raises:
        PermissionDenied: Another user could redirect the directory in the store.

    """
    store = draft.context.store
    for name in draft.context.spec.persistent:
        in_generation, in_store = f"{draft.root}/{name}", f"{store.persistent}/{name}"
        if not is_directory(in_store):
            _create_parents(store, name)
            # INVARIANT: complete before the rename, so that a kill leaves either no directory
            # or the whole one. Recovery deletes `next-…`.
            incomplete = f"{store.root}/next-{os.path.basename(name)}"
            _fill(incomplete, in_generation, draft.ids)
            try:
                os.rename(incomplete, in_store)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                shutil.rmtree(incomplete)
                _fill_on_other_disk(in_store, in_generation, draft.ids)
        if is_directory(in_generation):
            shutil.rmtree(in_generation)
        os.makedirs(os.path.dirname(in_generation), exist_ok=True)
        symlink(os.path.relpath(in_store, os.path.dirname(in_generation)), in_generation)


def _fill(directory: str, source: str, ids: Ids) -> None:
    """Create a directory with a copy of the source's content, if the source exists.

    Args:
        directory: The new directory.
        source: The directory in the generation, which might not exist.
        ids: The owner and group of everything in the new directory, and of itself.

    """
    if is_directory(source):
        shutil.copytree(source, directory, symlinks=True)
    else:
        os.mkdir(directory, 0o755)
    chmod_tree(directory)
    chown_tree(directory, ids)
    os.chown(directory, *ids)


def _fill_on_other_disk(in_store: str, source: str, ids: Ids) -> None:
    """Create a directory below a mount point, and sync it: the sync of the build doesn't cover it.

    Args:
        in_store: The new directory. Its parent is on another file system than the store.
        source: The directory in the generation, which might not exist.
        ids: The owner and group.

    """
    parent, name = os.path.split(in_store)
    incomplete = f"{parent}/.{name}.next"
    with suppress(FileNotFoundError):
        shutil.rmtree(incomplete)  # A killed run left it.
    _fill(incomplete, source, ids)
    # INVARIANT: the content must be on disk before its name.
    sync_filesystem(incomplete)
    os.rename(incomplete, in_store)
    fsync_dir(parent)


def _create_parents(store: Store, name: str) -> None:
    """Create the parents of a persistent directory. Refuse one that another user controls.

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
            os.mkdir(directory, 0o755)
            continue
        is_directory = stat.S_ISDIR(status.st_mode)
        reason = untrusted_reason(status) if is_directory else "not a directory"
        if reason:
            raise PermissionDenied(
                f"unsafe directory `{directory}`: {reason}, "
                "and writes below it could be redirected",
                hint="add the parent itself to `persistent`, or create the directory in it",
            )
