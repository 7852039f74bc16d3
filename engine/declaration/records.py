"""The stored records of declared resources (`engine.inventory`), one file per declaration.

Each is JSON under a checksum. A damaged record counts as empty: then the removed names of that
declaration aren't noticed.
"""

from __future__ import annotations

import json
import os

from engine.system.existence import listdir_or_empty, proves_no_file
from engine.system.files import add_checksum, read_with_checksum, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeAlias

    Entry: TypeAlias = dict[str, Any]
    """A resource with its removal spec. `orphaned` is true if its file no longer declares it."""


def records_dir(state_dir: str) -> str:
    """Return the directory of all records."""
    return os.path.join(state_dir, "inventory")


def record_path(file: str, state_dir: str) -> str:
    """Return the path of a file's record. Records of one directory have a common prefix."""
    name = f"{directory_prefix(os.path.dirname(file))}{_digest(file)}.json"
    return os.path.join(records_dir(state_dir), name)


def directory_prefix(directory: str) -> str:
    """Return the beginning of the names of a directory's records."""
    return f"{_digest(directory)}-"


def list_records(prefix: str, state_dir: str) -> list[str]:
    """Return the paths of the records whose names begin with a prefix, sorted.

    Raises:
        OSError: The directory can't be read.

    """
    directory = records_dir(state_dir)
    names = sorted(listdir_or_empty(directory))
    return [os.path.join(directory, name) for name in names if name.startswith(prefix)]


def recorded_file(record: str) -> str:
    """Return the file that a record is about, or an empty string if the record is damaged.

    Raises:
        OSError: The record can't be read.

    """
    file = _read(record).get("file")
    return file if isinstance(file, str) else ""


def read_entries(record: str) -> list[Entry]:
    """Return the entries of a record, or an empty list if it is missing or damaged.

    Raises:
        OSError: The record can't be read. Its resources still exist, and must not be forgotten.

    """
    entries = _read(record).get("resources")
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict)]


def all_entries(state_dir: str) -> Iterator[tuple[str, Entry]]:
    """Yield every recorded entry of this host, with the file that declares or declared it.

    Raises:
        OSError: A record can't be read.

    """
    for record in list_records("", state_dir):
        file = recorded_file(record)
        if file:
            yield from ((file, entry) for entry in read_entries(record))


def write_entries(record: str, file: str, serialized: list[str]) -> None:
    """Write a record durably, or delete it if there are no entries.

    The caller holds the lock of the inventory.

    Args:
        record: The path of the record.
        file: The declaration that it is about.
        serialized: The entries (`serialize`).

    Raises:
        OSError: The record can't be written. The previous one remains.

    """
    # Imported here: a no-op run writes nothing.
    from engine.system.atomic_write import write_atomic

    if serialized:
        document = {"file": file, "resources": [json.loads(entry) for entry in serialized]}
        data = add_checksum(json.dumps(document).encode())
        write_atomic(record, data, 0o600, durable=True)
    else:
        os.unlink(record)


def serialize(entries: list[Entry]) -> list[str]:
    """Return the entries as JSON, sorted and without duplicates."""
    return sorted({json.dumps(entry, sort_keys=True) for entry in entries})


def add_entries(declared: list[Entry], entries: list[Entry]) -> list[Entry]:
    """Return the entries of a record with those of the declared resources."""
    return [*entries, *declared]


def replace_entries(replaced: list[Entry], kept: list[Entry], entries: list[Entry]) -> list[Entry]:
    """Return the entries of a record, with some of them replaced.

    Args:
        replaced: The entries to drop.
        kept: The entries to add.
        entries: The entries of the record.

    Returns:
        The new entries of the record.

    """
    dropped = set(serialize(replaced))
    return [*kept, *(entry for entry in entries if dropped.isdisjoint(serialize([entry])))]


def is_absolute(path: object) -> bool:
    """Return whether a value of a record is an absolute path."""
    return isinstance(path, str) and os.path.isabs(path) and "\0" not in path


def _digest(path: str) -> str:
    return sha256(os.fsencode(path))[:32]


def _read(record: str) -> dict[str, Any]:
    try:
        document = json.loads(read_with_checksum(record))
    except (ValueError, RecursionError):
        return {}
    except OSError as error:
        if proves_no_file(error):
            return {}
        raise
    return document if isinstance(document, dict) else {}
