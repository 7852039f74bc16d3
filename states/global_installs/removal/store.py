"""The store beside a site directory: the entries that were removed from it, and its records.

SITE                         for example /usr/local/lib/python3.11/dist-packages
.NAME/lock                   locked by the one run that changes the interpreter's packages
.NAME/held                   a record: the removal that a rollback restored
.NAME/removals/ID/files/     the removed entries, below the same directories as on the system
.NAME/removals/ID/record     the packages and entries, for people and for a rollback
.NAME/removals/ID/complete   a symlink: nothing is missing in `files`
.NAME/trash-…                a removal that is being deleted

A removal of an interpreter has the same ID in the stores of all its site directories.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from engine.frozen import frozen
from engine.system.atomic_write import write_atomic
from engine.system.existence import entry_exists, is_directory, listdir_or_empty, proves_no_file
from engine.system.files import (
    add_checksum,
    fsync_dir,
    make_private_dir,
    read_with_checksum,
    symlink,
)
from engine.system.linux import sync_filesystem
from states.global_installs.removal.moving import restore_entries, store_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

_ID = re.compile(r"\d{6,}-[0-9a-f]{8}")
_TRASH = "trash-"


@frozen
class Record:
    """A removal as people see it. Nothing is restored by it."""

    created: str
    """The time, for people."""
    removed: tuple[str, ...]
    """The packages and entries."""


@frozen
class PlaceStore:
    """The paths of the store of one site directory. All of them follow from that directory."""

    site: str

    @property
    def root(self) -> str:
        """The directory of the store."""
        parent, name = os.path.split(self.site)
        return f"{parent}/.{name}"

    @property
    def lock(self) -> str:
        """The file that a run locks."""
        return f"{self.root}/lock"

    @property
    def removals(self) -> str:
        """The directory of all removals."""
        return f"{self.root}/removals"

    def removal(self, identifier: str) -> str:
        """Return the directory of one removal."""
        return f"{self.removals}/{identifier}"

    def files(self, identifier: str) -> str:
        """Return the directory with the removed entries."""
        return f"{self.removal(identifier)}/files"


def new_id(stores: Sequence[PlaceStore]) -> str:
    """Return an ID that no removal in these stores has. IDs sort by age, without a clock."""
    names = [name for store in stores for name in _removal_names(store)]
    number = max((int(name.partition("-")[0]) for name in names), default=0) + 1
    return f"{number:06d}-{os.urandom(4).hex()}"


def complete_removals(store: PlaceStore) -> list[str]:
    """Return the IDs of the complete removals in a store, oldest first."""
    return [name for name in _removal_names(store) if is_complete(store, name)]


def is_complete(store: PlaceStore, identifier: str) -> bool:
    """Return whether a removal is complete, and no rollback has begun to restore it."""
    return entry_exists(f"{store.removal(identifier)}/complete")


def unfinished_entries(store: PlaceStore) -> list[str]:
    """Return what an interrupted run left in a store: names relative to it. This only reads."""
    removals = [name for name in _removal_names(store) if not is_complete(store, name)]
    trash = [name for name in sorted(listdir_or_empty(store.root)) if name.startswith(_TRASH)]
    return [*(f"removals/{name}" for name in removals), *trash]


def remove(store: PlaceStore, identifier: str, units: Sequence[str], record: Record) -> None:
    """Move entries of the system into a store. The lock must be held.

    If the process is killed, the removal isn't complete, and `clean_up_interrupted` moves
    everything back.

    Args:
        store: The store.
        identifier: The ID of the removal.
        units: The absolute paths.
        record: The description for people.

    Raises:
        OSError: An entry can't be moved. The next run moves the others back.

    """
    directory = store.removal(identifier)
    make_private_dir(store.files(identifier))
    data = json.dumps({"created": record.created, "removed": record.removed}).encode()
    write_atomic(f"{directory}/record", add_checksum(data), 0o600, durable=True, locked=True)
    for path in units:
        store_entry(path, store.files(identifier))
    # INVARIANT: the moves are on the disk before the removal counts as complete.
    sync_filesystem(directory)
    symlink("complete", f"{directory}/complete")
    fsync_dir(directory)


def restore(store: PlaceStore, identifier: str) -> None:
    """Move the entries of a removal back. The lock must be held.

    If the process is killed, the removal isn't complete any more, and `clean_up_interrupted`
    continues.

    Raises:
        OSError: An entry can't be moved.

    """
    directory = store.removal(identifier)
    # INVARIANT: first of all. Otherwise a removal that lacks entries would count as complete.
    if is_complete(store, identifier):
        os.unlink(f"{directory}/complete")
        fsync_dir(directory)
    restore_entries(store.files(identifier))
    sync_filesystem(store.root)
    if listdir_or_empty(store.files(identifier)):
        # Something else has taken a path meanwhile. The previous entry stays in the history.
        symlink("complete", f"{directory}/complete")
        fsync_dir(directory)
    else:
        delete_entry(store, f"removals/{identifier}")


def clean_up_interrupted(store: PlaceStore) -> None:
    """Move back what an interrupted removal or rollback left in a store. The lock must be held.

    May itself be killed. An entry whose path is occupied stays in the store, as a removal.
    """
    for relative in unfinished_entries(store):
        if relative.startswith(_TRASH):
            delete_entry(store, relative)
        else:
            restore(store, os.path.basename(relative))


def delete_entry(store: PlaceStore, relative: str) -> None:
    """Delete an entry of a store. The lock must be held.

    Raises:
        OSError: It can't be deleted. It no longer counts as a removal then.

    """
    # Imported here: a run without changes deletes nothing.
    from states.venv.generations.removal import delete

    name = os.path.basename(relative)
    trash = f"{store.root}/{name if name.startswith(_TRASH) else _TRASH + name}"
    if f"{store.root}/{relative}" != trash:
        os.rename(f"{store.root}/{relative}", trash)
        fsync_dir(store.removals)
    delete(trash)


def read_record(store: PlaceStore, identifier: str) -> Record:
    """Return the description of a removal. If it is missing or torn, it is empty.

    Raises:
        OSError: It can't be read.

    """
    try:
        content = json.loads(read_with_checksum(f"{store.removal(identifier)}/record"))
        return Record(str(content["created"]), tuple(map(str, content["removed"])))
    except (ValueError, KeyError, TypeError):
        return Record("", ())
    except OSError as error:
        if proves_no_file(error):
            return Record("", ())
        raise


def _removal_names(store: PlaceStore) -> list[str]:
    if not is_directory(store.removals):
        return []
    names = filter(_ID.fullmatch, listdir_or_empty(store.removals))
    return sorted(names, key=lambda name: (len(name), name))
