"""Compare the files of two generations, from their manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import IntegrityError
from engine.frozen import frozen
from engine.system.files import read_regular_file
from states.venv.integrity.dist_info import is_metadata, may_name_generation
from states.venv.integrity.manifest import load_manifest
from states.venv.integrity.pyc_paths import is_bytecode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.venv.integrity.manifest import Entry
    from states.venv.integrity.receipt import Receipt


@frozen
class FileChange:
    """A file, directory, or symlink that differs between two generations."""

    path: str
    package: str
    """The package that contains it. Empty for files of the environment and declared files."""
    change: str
    """`added`, `removed`, or `changed`."""
    attributes: tuple[str, ...] = ()
    """The names of the attributes that changed, such as `content` or `mode`."""


def file_changes(old: Receipt, new: Receipt) -> Iterator[FileChange]:
    """Yield the differences between two generations, sorted by path.

    Bytecode follows from the sources, so it isn't compared. A script that differs only in the path
    of its generation is the same.

    Args:
        old: The receipt of one generation.
        new: The receipt of the other one.

    Yields:
        The differences.

    Raises:
        IntegrityError: A manifest is missing, or differs from its receipt.
        OSError: A manifest or a script can't be read.

    """
    before, after = _entries(old), _entries(new)
    for path in sorted(before.keys() | after.keys()):
        if path not in before or path not in after:
            entry = before.get(path) or after[path]
            if entry.kind != "d":  # It follows from the files in it.
                change = "added" if path in after else "removed"
                yield FileChange(path, entry.package, change)
        elif before[path] != after[path]:
            attributes = tuple(_changed(path, (old, before[path]), (new, after[path])))
            if attributes:
                yield FileChange(path, after[path].package, "changed", attributes)


def _entries(receipt: Receipt) -> dict[str, Entry]:
    """Return the entries of a generation, without bytecode, by path.

    Raises:
        IntegrityError: The manifest is missing, or differs from the receipt.
        OSError: It can't be read.

    """
    manifest = load_manifest(receipt.path, receipt.manifest)
    if manifest is None:
        raise IntegrityError(
            f"the manifest of generation {receipt.generation} is missing or damaged",
            hint="compare another generation; `converge history` lists them",
        )
    return {
        path: entry
        for path, entry in manifest.items()
        if not is_bytecode(path) and path.rpartition("/")[2] != "__pycache__"
    }


def _changed(path: str, old: tuple[Receipt, Entry], new: tuple[Receipt, Entry]) -> Iterator[str]:
    """Yield the names of the attributes of a path that differ.

    Args:
        path: The path, relative to both generations.
        old: The receipt and the entry of one generation.
        new: Those of the other one.

    Yields:
        The names.

    """
    (before, first), (after, second) = old, new
    for name in ("kind", "mode", "uid", "gid", "attributes", "package"):
        if getattr(first, name) != getattr(second, name):
            yield name
    if first.content != second.content and not (
        first.kind == second.kind == "f"
        and (may_name_generation(path) or path == "pyvenv.cfg")
        and _portable(before, path) == _portable(after, path)
    ):
        yield "content"


def _portable(receipt: Receipt, path: str) -> bytes:
    """Return the content of a file without the path of its generation.

    A RECORD lists the digests of scripts, and those contain the path, so their rows are dropped.
    """
    content = read_regular_file(f"{receipt.path}/{path}")
    if is_metadata(path, "RECORD"):
        rows = content.split(b"\n")
        return b"\n".join(row for row in rows if not row.startswith(b"../../../bin/"))
    return content.replace(receipt.path.encode(), b"")
