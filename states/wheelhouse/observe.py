"""Observe a wheelhouse. This only reads, and starts no program."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from engine.frozen import frozen
from engine.system.existence import is_directory, is_symlink, lstat, proves_no_file
from engine.system.files import iter_chunks, sha256_of_file
from states.venv.layout import METADATA_DIR, RECEIPT, store_of
from states.venv.observe import FOREIGN, PUBLISHED, published_state
from states.wheelhouse.generations.receipt import read_receipt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.diff import State
    from states.venv.layout import Store
    from states.wheelhouse.generations.receipt import FileStat, Receipt
    from states.wheelhouse.spec import Wheelhouse


@frozen
class Observation:
    """The state of a wheelhouse at one moment."""

    store: Store
    state: State | None
    receipt: Receipt | None = None
    """The receipt of the published generation, if it has a valid one."""

    @property
    def root(self) -> str:
        """The directory of the published generation, or an empty string."""
        return self.store.generation(self.receipt.generation) if self.receipt else ""


def observe(spec: Wheelhouse) -> Observation:
    """Observe the wheelhouse at the path of a spec.

    Raises:
        OSError: Something can't be read. A failing read must not look like a missing file.

    """
    store = store_of(spec.path)
    path_state, identifier = published_state(store)
    if path_state == FOREIGN:
        return Observation(store, {"path": FOREIGN})
    if path_state != PUBLISHED or identifier is None:
        if path_state == "missing" and (spec.state == "present" or not is_directory(store.root)):
            return Observation(store, None)
        return Observation(store, {"path": path_state})
    receipt = read_receipt(store.generation(identifier))
    if receipt is None or receipt.generation != identifier:
        state = {"path": spec.path, f"file.{RECEIPT}": "torn or missing"}
        return Observation(store, state)
    observed = {"path": spec.path, "generation": identifier, **receipt.attributes}
    if receipt.url:
        observed["url"] = receipt.url
    drift = find_drift(store.generation(identifier), receipt)
    observed.update({f"file.{path}": problem for path, problem in drift})
    return Observation(store, observed, receipt)


def find_drift(root: str, receipt: Receipt) -> Iterator[tuple[str, str]]:
    """Yield each published file that isn't as recorded, and each other file, with the problem.

    A file is read only if its size, its modification time, or its inode differs.

    Args:
        root: The directory of the generation.
        receipt: Its receipt.

    Yields:
        The relative path, and the problem.

    Raises:
        OSError: A file can't be examined.

    """
    existing: set[str] = set()
    for parent, names, files in os.walk(root, onerror=_raise):
        relative = os.path.relpath(parent, root)
        if relative == ".":
            names[:] = [name for name in names if name != METADATA_DIR]
        links = [name for name in names if is_symlink(f"{parent}/{name}")]
        existing.update(os.path.normpath(f"{relative}/{name}") for name in (*files, *links))
    for path, expected in sorted(receipt.files.items()):
        if path not in existing:
            if os.path.dirname(path) not in receipt.retained:
                yield path, "missing"
        elif problem := _compare(f"{root}/{path}", expected):
            yield path, problem
    for path in sorted(existing - receipt.files.keys()):
        yield path, "added"


def _compare(path: str, expected: FileStat) -> str:
    """Return how a file differs from the recorded one, or an empty string."""
    digest, size, mtime_ns, inode = expected
    status = lstat(path)
    if status is None or not stat.S_ISREG(status.st_mode):
        return "not a file"
    if not status.st_mode & stat.S_IROTH:
        return f"mode {stat.S_IMODE(status.st_mode):04o}"
    if (status.st_size, status.st_mtime_ns, status.st_ino) == (size, mtime_ns, inode):
        return ""
    try:
        is_same = status.st_size == size and sha256_of_file(iter_chunks(path, size)) == digest
    except OSError as error:
        if not proves_no_file(error):
            raise
        return "not a file"
    return "" if is_same else "modified"


def _raise(error: OSError) -> None:
    raise error
