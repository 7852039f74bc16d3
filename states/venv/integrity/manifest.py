"""The manifest: every file, directory, and symlink of a generation at the end of its build.

`.converge/manifest.json` contains the path, kind, mode, owner, size, and SHA-256 of each entry.
The receipt contains the digest of the manifest, so a modified manifest is detected.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from engine.system.existence import proves_no_file
from engine.system.files import iter_chunks, read_regular_file, sha256, sha256_of_file
from engine.system.xattrs import describe_attributes
from states.venv.layout import MANIFEST, METADATA_DIR

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Entry(NamedTuple):
    """An entry of a generation. A tuple, because a venv has thousands."""

    kind: str
    """`f` for a file, `d` for a directory, `l` for a symlink, or `o` for anything else."""
    mode: int
    uid: int
    gid: int
    size: int
    """In bytes. 0 unless it is a file."""
    content: str
    """The SHA-256 of a file, or the target of a symlink."""
    package: str
    """The package that installed it. Empty for entries of the environment itself."""
    attributes: str = ""
    """The extended attributes, as `describe_attributes` returns them."""


Manifest = dict[str, Entry]
"""Entries by path, relative to the generation. The directory of the generation is `.`."""


def encode_manifest(manifest: Mapping[str, Entry]) -> bytes:
    """Return the bytes of `manifest.json`: one row for each entry, sorted by path."""
    rows = [
        [path, *(entry if entry.attributes else entry[:-1])]
        for path, entry in sorted(manifest.items())
    ]
    return json.dumps(rows, separators=(",", ":")).encode()


def load_manifest(root: str, digest: str) -> Manifest | None:
    """Return the manifest of a generation, or None if it doesn't have the receipt's digest.

    Raises:
        OSError: The manifest can't be read.

    """
    try:
        data = read_regular_file(f"{root}/{MANIFEST}")
    except OSError as error:
        if proves_no_file(error):
            return None
        raise
    if sha256(data) != digest:
        return None
    return {row[0]: Entry(*row[1:]) for row in json.loads(data)}


def stat_entry(
    root: str,
    path: str,
    package: str = "",
    content: str | None = None,
    recorded: Entry | None = None,
) -> Entry:
    """Describe a path as it is on disk.

    Args:
        root: The directory of the generation.
        path: The path, relative to `root`.
        package: The package to record in the entry.
        content: The SHA-256 of the file, if the caller just hashed it.
        recorded: The manifest entry to compare with. A file of another size has changed, so
            it isn't read: it may be endless.

    Returns:
        The entry.

    Raises:
        OSError: The path is missing or unreadable.

    """
    absolute = os.path.join(root, path)
    status = os.lstat(absolute)
    if content is None and recorded is not None and recorded.size != status.st_size:
        content = ""
    return entry_of(absolute, status, package, content)


def entry_of(
    path: str, status: os.stat_result, package: str = "", content: str | None = None
) -> Entry:
    """Describe a path whose status is known.

    Args:
        path: The absolute path.
        status: Its status.
        package: The package to record in the entry.
        content: The SHA-256 of a file, if it is known.

    Returns:
        The entry.

    Raises:
        OSError: The path is missing or unreadable.

    """
    mode, size = status.st_mode, 0
    if stat.S_ISREG(mode):
        kind, size = "f", status.st_size
        content = file_digest(path, size) if content is None else content
    elif stat.S_ISDIR(mode):
        kind, content = "d", ""
    elif stat.S_ISLNK(mode):
        kind, content = "l", os.readlink(path)
    else:
        kind, content = "o", ""
    attributes = describe_attributes(path) if kind in "fd" else ""
    owner = status.st_uid, status.st_gid
    return Entry(kind, stat.S_IMODE(mode), *owner, size, content, package, attributes)


def file_digest(path: str, size: int) -> str:
    """Return the SHA-256 of the first `size` bytes of a file."""
    return sha256_of_file(iter_chunks(path, size))


def walk(root: str) -> Iterable[tuple[str, os.DirEntry[str]]]:
    """Yield the relative path and the directory entry of everything below a directory.

    Skips `.converge`, and directories that are deeper than a path can be long: no installer
    creates those. Entries that are deleted during the walk are skipped, because the owners of
    ignored paths may write there at any time.

    Raises:
        OSError: `root` is missing, or a directory is unreadable.

    """
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            directory = os.scandir(os.path.join(root, prefix))
        except OSError as error:
            if prefix and error.errno in (errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR):
                continue
            raise
        with directory as entries:
            for entry in entries:
                path = prefix + entry.name
                if path == METADATA_DIR:
                    continue
                yield path, entry
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path + "/")
