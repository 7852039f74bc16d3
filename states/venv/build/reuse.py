"""Taking packages from generations that are already here, checked while they are copied.

The cost of a change then grows with the change: what stays, stays compiled. A file that
is not what its seal says is not taken; the installer then brings the whole package anew.
"""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import suppress

from engine import progress
from engine.system.files import iter_chunks, sha256, write_all
from states.venv.integrity.dist_info import is_metadata, read_record
from states.venv.integrity.manifest import load_manifest
from states.venv.integrity.pyc_paths import is_bytecode, source_of
from states.venv.integrity.receipt import is_protected
from states.venv.integrity.stat_cache import stat_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from states.interpreter.discovery import Python
    from states.venv.integrity.manifest import Entry
    from states.venv.integrity.receipt import Package, Receipt
    from states.venv.observe import Observation

_SHEBANG_LIMIT = 127
"""What Linux reads of a `#!` line (binfmt_script.c)."""
_LARGE = 1 << 24
"""In bytes: what is larger is not held in memory as a whole."""


def copy_reusable(
    root: str, wanted: tuple[Package, ...], python: Python, views: Iterable[Observation]
) -> tuple[dict[str, Package], dict[str, str]]:
    """Copy what can be had; return the packages by name, and the SHA-256 of each copied path."""
    taken: dict[str, Package] = {}
    digests: dict[str, str] = {}
    for view in views:
        receipt = view.receipt
        if receipt is None or not _usable(view, receipt, python):
            continue
        have = {one.name: one for one in receipt.packages}
        useful = [one for one in wanted if one.name not in taken and _same(one, have.get(one.name))]
        seal = load_manifest(view.root, receipt.manifest) if useful else None
        if seal is None:
            continue
        progress.step(f"taking from {receipt.generation} what is the same: {len(useful)}")
        files: dict[str, list[str]] = {}
        for path, entry in seal.items():
            if entry.kind == "f" and entry.package:
                files.setdefault(entry.package, []).append(path)
        made: set[str] = set()
        for one in useful:
            copied = _copy(view.root, root, files.get(one.name, []), seal, made)
            if copied:
                digests.update(copied)
                taken[one.name] = have[one.name]
    return taken, digests


def looks(root: str, digests: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Return how each copy looks, before an installer is let in."""
    return {path: stat_key(f"{root}/{path}") for path in digests}


def unmodified(
    root: str, digests: Mapping[str, str], before: Mapping[str, tuple[int, ...]]
) -> dict[str, str]:
    """Return the digests of copies that an installer did not touch.

    It may build a local project anew, or write over another package's file: what it made
    is to be read. Bytecode counts for no more than its source.
    """
    same = {path for path in digests if _looks(root, path) == before[path]}
    return {
        path: digest
        for path, digest in digests.items()
        if path in same and (not is_bytecode(path) or source_of(path) in same)
    }


def _looks(root: str, path: str) -> tuple[int, ...]:
    try:
        return stat_key(f"{root}/{path}")
    except OSError:
        return ()


def _usable(view: Observation, receipt: Receipt, python: Python) -> bool:
    """Tell whether files may be taken from a generation, if they are as its seal says.

    They may be another user's: what counts is who can write the seal.
    """
    made_here = receipt.path == view.root and is_protected(view.root)
    return made_here and receipt.python.digest == python.digest


def _same(wanted: Package, have: Package | None) -> bool:
    return (
        have is not None
        and bool(wanted.content)
        and wanted.content == have.content
        and wanted.origin == have.origin
        and wanted.version in ("", have.version)
    )


def _copy(
    source: str, target: str, paths: list[str], seal: dict[str, Entry], made: set[str]
) -> dict[str, str]:
    """Copy one package; on any doubt remove what was copied of it and return nothing."""
    copied: dict[str, str] = {}
    rewritten: dict[str, bytes] = {}
    begun: list[str] = []
    try:
        for path in sorted(paths):
            if seal[path].size > _LARGE and not path.startswith("bin/"):
                begun.append(path)
                copied[path] = _copy_large(source, target, path, seal[path], made)
                continue
            data = b"".join(iter_chunks(f"{source}/{path}", seal[path].size))
            if sha256(data) != seal[path].content:
                raise ValueError(path)
            if path.startswith("bin/") and source.encode() in data[:4096]:
                data = rewritten[path] = _relocate_script(data, source, target)
            if rewritten and is_metadata(path, "RECORD"):
                data = _update_record(path, data, rewritten)
            begun.append(path)
            _write(f"{target}/{path}", [data], seal[path].mode, made)
            copied[path] = (
                sha256(data)
                if path in rewritten or path.endswith("/RECORD")
                else seal[path].content
            )
        _check_complete(target, copied)
    except (OSError, ValueError):
        _undo(target, begun, made)
        return {}
    return copied


def _copy_large(source: str, target: str, path: str, sealed: Entry, made: set[str]) -> str:
    """Copy a file block by block, and return its SHA-256; raises `ValueError` on any doubt."""
    total = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for block in iter_chunks(f"{source}/{path}", sealed.size):
            total.update(block)
            yield block

    _write(f"{target}/{path}", hashed(), sealed.mode, made)
    digest = total.hexdigest()
    if digest != sealed.content:
        raise ValueError(path)
    return digest


def _check_complete(target: str, copied: dict[str, str]) -> None:
    """Raise `ValueError` if a package has more files, which are not sealed: lasting, or ignored."""
    for path in copied:
        if is_metadata(path, "RECORD"):
            for listed, _ in read_record(target, os.path.dirname(path)):
                if listed not in copied and not is_bytecode(listed):
                    raise ValueError(listed)


def _undo(target: str, begun: list[str], made: set[str]) -> None:
    """Remove copies, and the folders that held nothing else.

    An installer takes a package for installed whose `dist-info` is there, though empty.
    """
    folders = set()
    for path in begun:
        with suppress(FileNotFoundError):
            os.unlink(f"{target}/{path}")
        while path := os.path.dirname(path):
            folders.add(f"{target}/{path}")
    for folder in sorted(folders, key=len, reverse=True):
        with suppress(OSError):
            os.rmdir(folder)
            made.discard(folder)


def _relocate_script(data: bytes, source: str, target: str) -> bytes:
    """Return a script that names the other generation's interpreter."""
    head, newline, rest = data.partition(b"\n")
    head = head.replace(source.encode(), target.encode())
    if head.startswith(b"#!") and len(head) > _SHEBANG_LIMIT:
        raise ValueError("the interpreter's path is too long for a script's first line")
    # Where the path is too long for that, a shell line below it names the interpreter.
    return head + newline + rest[:4096].replace(source.encode(), target.encode()) + rest[4096:]


def _update_record(record: str, data: bytes, rewritten: dict[str, bytes]) -> bytes:
    """Return a RECORD with the rows of rewritten scripts brought up to date."""
    site = os.path.dirname(os.path.dirname(record))
    rows = data.split(b"\n")
    for path, content in rewritten.items():
        name = os.path.relpath(path, site).encode()
        value = base64.urlsafe_b64encode(bytes.fromhex(sha256(content))).rstrip(b"=")
        for index, row in enumerate(rows):
            if row.startswith((name + b",", b'"' + name + b'",')):
                rows[index] = b"%s,sha256=%s,%d" % (name, value, len(content))
    return b"\n".join(rows)


def _write(path: str, blocks: Iterable[bytes], mode: int, made: set[str]) -> None:
    folder = os.path.dirname(path)
    if folder not in made:
        os.makedirs(folder, exist_ok=True)
        made.add(folder)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        for block in blocks:
            write_all(descriptor, block)
    finally:
        os.close(descriptor)
