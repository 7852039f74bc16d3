"""Directories that outlive a generation: kept in the store, linked into each generation."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress

from engine.errors import PermissionDenied
from engine.system.files import fsync_dir, symlink
from engine.system.linux import sync_filesystem
from engine.system.permissions import untrusted_reason
from states.venv.build.ownership import chmod_tree, chown_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.build.ownership import Ids
    from states.venv.layout import Store
    from states.venv.spec import Venv


def link_persistent(root: str, spec: Venv, store: Store, ids: Ids) -> None:
    """Let folders live outside of the generation, and link them in.

    The first generation's content becomes the folder's first content, and its owner's; from
    then on what is there stays as it is.
    """
    for name in spec.persistent:
        inside, lasting = f"{root}/{name}", f"{store.persistent}/{name}"
        if not os.path.isdir(lasting):
            _make_above(store, name)
            aside = f"{store.root}/next-{os.path.basename(name)}"
            _fill(aside, inside, ids)
            try:
                os.rename(aside, lasting)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                shutil.rmtree(aside)
                _fill_over_there(lasting, inside, ids)
        if os.path.isdir(inside):
            shutil.rmtree(inside)
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        symlink(os.path.relpath(lasting, os.path.dirname(inside)), inside)


def _fill(folder: str, inside: str, ids: Ids) -> None:
    """Make a folder with the content that one of the generation has, if it is there."""
    if os.path.isdir(inside):
        shutil.copytree(inside, folder, symlinks=True)
    else:
        os.mkdir(folder, 0o755)
    chmod_tree(folder)
    chown_tree(folder, ids)
    os.chown(folder, *ids)


def _fill_over_there(lasting: str, inside: str, ids: Ids) -> None:
    """Make a lasting folder on a disk of its own, which is flushed with no generation."""
    above, name = os.path.split(lasting)
    aside = f"{above}/.{name}.next"
    with suppress(FileNotFoundError):
        shutil.rmtree(aside)  # left by a killed run
    _fill(aside, inside, ids)
    sync_filesystem(aside)
    os.rename(aside, lasting)
    fsync_dir(above)


def _make_above(store: Store, name: str) -> None:
    """Make the folders above a lasting one; refuse one of others, who could lead us elsewhere.

    As one may be that was persistent itself, and was given to an owner, or is a disk of its own.
    """
    folder = store.root
    for part in (os.path.basename(store.persistent), *name.split("/")[:-1]):
        folder = f"{folder}/{part}"
        try:
            found = os.lstat(folder)
        except FileNotFoundError:
            os.mkdir(folder, 0o755)
            continue
        what = untrusted_reason(found) if stat.S_ISDIR(found.st_mode) else "not a directory"
        if what:
            raise PermissionDenied(
                f"unsafe directory `{folder}`: {what}, and writes below it could be redirected",
                hint="make it persistent itself, or make the folder below it yourself",
            )
