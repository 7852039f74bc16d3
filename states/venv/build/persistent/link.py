"""Replace the persistent directories of a generation by symlinks into the store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.system.existence import is_directory
from engine.system.files import symlink
from states.venv.build.ownership import chmod_tree
from states.venv.build.persistent.fill import fill_persistent
from states.venv.layout import METADATA_DIR, PACKAGED

if TYPE_CHECKING:
    from states.venv.build.stages import Draft


def link_persistent(draft: Draft) -> None:
    """Move the packaged content of each persistent directory, and link the directory.

    The packaged content stays in the metadata of the generation. It shows which files in the
    store are still as a package installed them.

    Raises:
        PermissionDenied: Another user could redirect a directory in the store.
        OSError: An entry can't be written.

    """
    names = draft.context.spec.persistent
    if not names:
        return
    os.makedirs(f"{draft.root}/{PACKAGED}")
    for directory in (METADATA_DIR, PACKAGED):
        os.chmod(f"{draft.root}/{directory}", 0o755)
    for name in names:
        _move_packaged(f"{draft.root}/{name}", f"{draft.root}/{PACKAGED}/{name}")
    chmod_tree(f"{draft.root}/{PACKAGED}")
    draft.context.messages.extend(
        fill_persistent(draft.context, draft.root, draft.ids, updates=False)
    )
    store = draft.context.store
    for name in names:
        link = f"{draft.root}/{name}"
        symlink(os.path.relpath(f"{store.persistent}/{name}", os.path.dirname(link)), link)


def _move_packaged(directory: str, packaged: str) -> None:
    """Move a directory of the generation, and create the parents that its symlink needs."""
    os.makedirs(os.path.dirname(packaged), exist_ok=True)
    if is_directory(directory):
        os.rename(directory, packaged)
    else:
        os.mkdir(packaged)
        os.makedirs(os.path.dirname(directory), exist_ok=True)
