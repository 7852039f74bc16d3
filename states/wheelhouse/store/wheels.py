"""The content store of a wheelhouse: one directory for each wheel, named by its hash.

wheels/SHA256/FILE            the wheel
wheels/SHA256/FILE.metadata   its METADATA file (PEP 658)
wheels/SHA256/wheel.json      what the index states about it, and its source if it was built

A wheel is prepared in a scratch directory, synced, and moved to its place in one rename. So a
wheel in the store is complete, and a killed run loses only the wheel that it was working on.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from engine.errors import IntegrityError
from engine.frozen import as_items, frozen
from engine.system.existence import entry_exists, listdir_or_empty, lstat, proves_no_file
from engine.system.files import (
    add_checksum,
    fsync_dir,
    iter_chunks,
    read_with_checksum,
    sha256,
    sha256_of_file,
    write_all,
)
from states.venv.generations.recovery import try_delete
from states.venv.generations.removal import delete_if_empty
from states.venv.generations.store import live_id
from states.wheelhouse.store.hosts import HOST
from states.wheelhouse.store.wheel_file import read_metadata, requires_python

if TYPE_CHECKING:
    from collections.abc import Iterable

    from states.venv.layout import Store

WHEELS = "wheels"
_RECORD = "wheel.json"
_FILE_MODE = 0o644


@frozen
class Wheel:
    """One wheel of the store."""

    file: str
    """The name of the file."""
    project: str
    """Normalized as in PEP 503."""
    version: str
    sha256: str
    size: int
    metadata: str
    """SHA-256 of its METADATA file."""
    requires_python: str
    uploaded: str
    """RFC 3339. For a built wheel, the time of its source."""
    source: str = ""
    """The identity of the source and the settings that it was built from. Empty if fetched."""
    added_after: str = ""
    """The generation that was live when it was added."""


@frozen
class NewWheel:
    """A wheel that isn't in the store yet."""

    path: str
    """The complete file, whose name is that of the wheel."""
    project: str
    version: str
    uploaded: str
    source: str = ""


def wheel_dir(store: Store, digest: str) -> str:
    """Return the directory of a wheel by its hash."""
    return f"{store.root}/{WHEELS}/{digest}"


def list_wheels(store: Store) -> dict[str, Wheel]:
    """Return all wheels of a store by their hashes.

    A wheel with a damaged record is left out: it is fetched or built again.

    Raises:
        OSError: The store can't be read.

    """
    wheels = {}
    for digest in sorted(listdir_or_empty(f"{store.root}/{WHEELS}")):
        try:
            document = json.loads(read_with_checksum(f"{wheel_dir(store, digest)}/{_RECORD}"))
            wheel = Wheel(**document)
        except (ValueError, TypeError):
            continue
        except OSError as error:
            if not proves_no_file(error):
                raise
            continue
        if wheel.sha256 == digest:
            wheels[digest] = wheel
    return wheels


def is_complete(store: Store, wheel: Wheel) -> bool:
    """Return whether the files of a wheel have their recorded hashes. Reads all of them.

    Raises:
        OSError: A file can't be read.

    """
    path = f"{wheel_dir(store, wheel.sha256)}/{wheel.file}"
    return _digest(path) == wheel.sha256 and _digest(f"{path}.metadata") == wheel.metadata


def _digest(path: str) -> str:
    status = lstat(path)
    if status is None:
        return ""
    try:
        return sha256_of_file(iter_chunks(path, status.st_size))
    except OSError as error:
        if proves_no_file(error):
            return ""
        raise


def drop_damaged(store: Store, digests: Iterable[str]) -> None:
    """Delete those of some wheels whose files don't match their hashes.

    The lock of the store must be held.

    Raises:
        OSError: A file can't be read.

    """
    wheels = list_wheels(store)
    for digest in digests:
        exists = entry_exists(wheel_dir(store, digest))
        if exists and (digest not in wheels or not is_complete(store, wheels[digest])):
            try_delete(store, f"{WHEELS}/{digest}")


def add_wheel(store: Store, new: NewWheel, scratch: str) -> Wheel:
    """Move a wheel into the store, durably. The lock of the store must be held.

    Args:
        store: The store.
        new: The wheel. Its file must be in the scratch directory.
        scratch: A directory of the store for temporary files.

    Returns:
        The wheel.

    Raises:
        IntegrityError: The file isn't a wheel of this project and version.
        OSError: The file can't be read or moved.

    """
    metadata = read_metadata(new.path, new.project, new.version)
    size = os.stat(new.path).st_size
    wheel = Wheel(
        file=os.path.basename(new.path),
        project=new.project,
        version=metadata.version,
        sha256=sha256_of_file(iter_chunks(new.path, size)),
        size=size,
        metadata=sha256(metadata.content),
        requires_python=requires_python(metadata.content),
        uploaded=new.uploaded,
        source=new.source,
        added_after=live_id(store) or "",
    )
    directory = f"{scratch}/{wheel.sha256}"
    os.mkdir(directory, 0o700)
    os.chmod(new.path, _FILE_MODE)
    _sync_file(new.path)
    os.rename(new.path, f"{directory}/{wheel.file}")
    _write(f"{directory}/{wheel.file}.metadata", metadata.content)
    record = json.dumps(dict(as_items(wheel)), sort_keys=True)
    _write(f"{directory}/{_RECORD}", add_checksum(record.encode()))
    fsync_dir(directory)
    place = wheel_dir(store, wheel.sha256)
    if entry_exists(place):  # The same file was built from another source, or its record is torn.
        try_delete(store, f"{WHEELS}/{wheel.sha256}")
    # INVARIANT: the only step that makes the wheel part of the store.
    os.rename(directory, place)
    fsync_dir(os.path.dirname(place))
    return wheel


def create_wheels_dir(store: Store) -> None:
    """Create the directory of all wheels. The lock of the store must be held."""
    directory = f"{store.root}/{WHEELS}"
    if not entry_exists(directory):
        os.mkdir(directory, 0o700)
        fsync_dir(store.root)


def delete_if_unused(store: Store) -> None:
    """Delete a store without wheels, because creating the wheelhouse failed.

    The lock of the store must be held.
    """
    directory = f"{store.root}/{WHEELS}"
    if live_id(store) is None and not listdir_or_empty(directory):
        for name in (HOST, WHEELS):
            if entry_exists(f"{store.root}/{name}"):
                try_delete(store, name)
        delete_if_empty(store)


def require_same_files(wheels: Iterable[Wheel]) -> None:
    """Check that wheels with the same file name have the same content, as an index requires.

    Raises:
        IntegrityError: Two differ.

    """
    by_name: dict[str, Wheel] = {}
    for wheel in wheels:
        other = by_name.setdefault(wheel.file, wheel)
        if other.sha256 != wheel.sha256:
            raise IntegrityError(
                f"two different files have the name `{wheel.file}`: sha256:{other.sha256[:12]} "
                f"and sha256:{wheel.sha256[:12]}",
                hint="an index can't contain both; give one of them another version, or build "
                "both venvs with the same sources and settings, or declare two wheelhouses",
            )


def _write(path: str, data: bytes) -> None:
    """Create a file and sync it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(path, flags, _FILE_MODE)
    try:
        os.fchmod(descriptor, _FILE_MODE)
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
