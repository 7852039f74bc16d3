"""The receipt of a generation: proof that it is complete, and a record of its content.

`.converge/receipt.json` is written last. The versions of each venv are in a file beside it, which
only a run with changes reads.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine.frozen import as_items, frozen
from engine.system.atomic_write import write_atomic
from engine.system.existence import proves_no_file
from engine.system.files import add_checksum, read_with_checksum
from states.interpreter import discovery
from states.venv.layout import METADATA_DIR, RECEIPT
from states.wheelhouse.select.selection import Selected, VenvPython
from states.wheelhouse.store.wheels import Wheel

if TYPE_CHECKING:
    from typing import Any

_FORMAT = 1
_LOCKS = f"{METADATA_DIR}/locks.json"

FileStat = tuple[str, int, int, int]
"""The SHA-256, size, mtime in nanoseconds, and inode of a published file."""


@frozen
class Receipt:
    """A record of one generation."""

    generation: str
    created: str
    """UTC, ISO 8601. For people: no decision depends on it."""
    converge_version: str
    declared: str
    """The file and the address that declared it. For people."""
    url: str
    attributes: dict[str, str]
    """The desired state, without `path`, `generation`, and `url`."""
    targets: tuple[VenvPython, ...]
    wheels: tuple[Wheel, ...]
    """The wheels in the index."""
    files: dict[str, FileStat]
    """Each published file by its relative path."""
    retained: tuple[str, ...]
    """Directories in `files/` of wheels that only the previous index lists. They may be missing."""


def write_receipt(root: str, receipt: Receipt, selected: tuple[Selected, ...]) -> None:
    """Write the receipt of a complete generation, and the versions, durably.

    The lock of the store must be held. Everything else must be synced.

    Args:
        root: The directory of the generation.
        receipt: The receipt.
        selected: The versions of each venv and interpreter.

    """
    locks = {versions.target.key: versions.lock for versions in selected}
    _write(f"{root}/{_LOCKS}", locks)
    document = dict(as_items(receipt))
    document["wheels"] = [dict(as_items(wheel)) for wheel in receipt.wheels]
    document["targets"] = [
        {**dict(as_items(target)), "python": discovery.to_json(target.python)}
        for target in receipt.targets
    ]
    # INVARIANT: last. Without a receipt, the generation doesn't count.
    _write(f"{root}/{RECEIPT}", {"format": _FORMAT, **document})


def _write(path: str, document: dict[str, Any]) -> None:
    data = add_checksum(json.dumps(document, sort_keys=True).encode())
    write_atomic(path, data, 0o600, durable=True, locked=True)


def read_receipt(root: str) -> Receipt | None:
    """Return the receipt of a generation, or None if it is missing, torn, or of another format.

    Raises:
        OSError: The receipt can't be read. The generation may be intact, so it must be kept.

    """
    try:
        document = json.loads(read_with_checksum(f"{root}/{RECEIPT}"))
        if document.pop("format") != _FORMAT:
            return None
        document["targets"] = tuple(
            VenvPython(**{**target, "python": discovery.from_json(target["python"])})
            for target in document["targets"]
        )
        document["wheels"] = tuple(Wheel(**wheel) for wheel in document["wheels"])
        document["files"] = {path: tuple(stat) for path, stat in document["files"].items()}
        document["retained"] = tuple(document["retained"])
        return Receipt(**document)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    except OSError as error:
        if proves_no_file(error):
            return None
        raise


def read_selected(root: str, receipt: Receipt) -> dict[str, Selected]:
    """Return the versions of a generation by the keys of their targets. Damaged ones are left out.

    Raises:
        OSError: The file can't be read.

    """
    try:
        locks = json.loads(read_with_checksum(f"{root}/{_LOCKS}"))
        return {
            target.key: Selected(target, str(locks[target.key]))
            for target in receipt.targets
            if target.key in locks
        }
    except (ValueError, TypeError, AttributeError):
        return {}
    except OSError as error:
        if proves_no_file(error):
            return {}
        raise
