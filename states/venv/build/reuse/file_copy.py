"""Copy files of a generation, and hash each copy.

A worker process imports this module, so it imports few others. `typing` alone would take half of
the start.
"""

from __future__ import annotations

import array
import hashlib
import os
from contextlib import contextmanager
from itertools import groupby

from engine.system.files import open_regular_file, read_chunks, write_all
from states.venv.integrity.stat_cache import KEY_LENGTH, status_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from states.venv.integrity.stat_cache import Key

File = tuple[str, int, int, str]
"""The path of a file in its generation, its mode, its size in bytes, and its SHA-256."""
KEYS_SUFFIX = ".keys"
"""The result of a worker is beside its list of files, and ends with this."""
_ADVANCED = b"\x01\n"
"""A part of the step is done (`states.system.subprocesses.ADVANCED`)."""
_REPORTED_AT_ONCE = 50
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_NO_COPY = (0,) * KEY_LENGTH
"""No file has the inode number 0."""


def copy_files(source: str, target: str, files: Iterable[File]) -> Iterator[Key | None]:
    """Copy files, and create their directories.

    Args:
        source: The directory of one generation. Another user may change its files at any time.
        target: The directory of the other one.
        files: The files, sorted by directory.

    Yields:
        For each file, the stat key of its copy. None if it isn't as described or its copy exists
        already. Then no copy was made.

    """
    for directory, group in groupby(files, lambda file: os.path.dirname(file[0])):
        siblings = list(group)
        try:
            os.makedirs(f"{target}/{directory}", exist_ok=True)
            # Relative to an open directory, the kernel resolves fewer path components.
            with (
                _opened(f"{source}/{directory}") as read,
                _opened(f"{target}/{directory}") as write,
            ):
                yield from [_copy_or_none(read, write, file) for file in siblings]
        except OSError:
            yield from [None] * len(siblings)


@contextmanager
def _opened(directory: str) -> Iterator[int]:
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _copy_or_none(source: int, target: int, file: File) -> Key | None:
    try:
        return _copy(source, target, file)
    except (OSError, ValueError):
        return None


def _copy(source: int, target: int, file: File) -> Key:
    """Copy a file and return the stat key of the copy.

    Args:
        source: The open directory of the file.
        target: The open directory of the copy.
        file: The file.

    Returns:
        The stat key of the copy.

    Raises:
        ValueError: The file isn't as described.
        OSError: It can't be read, or the copy can't be written.

    """
    path, mode, size, expected = file
    name = os.path.basename(path)
    original = open_regular_file(name, source)
    try:
        copy = os.open(name, NEW_FILE, mode, dir_fd=target)
        try:
            digest = hashlib.sha256()
            for chunk in read_chunks(original, size):
                digest.update(chunk)
                write_all(copy, chunk)
            if digest.hexdigest() != expected:
                raise ValueError(path)
            return status_key(os.fstat(copy))
        except BaseException:
            os.unlink(name, dir_fd=target)
            raise
        finally:
            os.close(copy)
    finally:
        os.close(original)


def write_listing(listing: str, files: Sequence[File]) -> None:
    """Write the list of files for a worker."""
    fields = (str(field) for file in files for field in file)
    with open(listing, "wb") as stream:
        stream.write(os.fsencode("\0".join(fields)))


def read_keys(listing: str) -> list[Key | None]:
    """Return the result of a worker that has ended, in the order of its list of files."""
    keys = array.array("q")
    with open(listing + KEYS_SUFFIX, "rb") as stream:
        keys.frombytes(stream.read())
    parts = [tuple(keys[at : at + KEY_LENGTH]) for at in range(0, len(keys), KEY_LENGTH)]
    return [None if key == _NO_COPY else key for key in parts]


def main(source: str, target: str, listing: str) -> None:
    """Copy the files in a list, as a worker process.

    Args:
        source: The directory of one generation.
        target: The directory of the other one.
        listing: The path of the list. The result is written beside it.

    """
    with open(listing, "rb") as stream:
        fields = iter(os.fsdecode(stream.read()).split("\0"))
    files = [
        (path, int(mode), int(size), digest)
        for path, mode, size, digest in zip(fields, fields, fields, fields, strict=True)
    ]
    keys = array.array("q")
    for number, key in enumerate(copy_files(source, target, files), 1):
        keys.extend(_NO_COPY if key is None else key)
        if number % _REPORTED_AT_ONCE == 0:
            os.write(1, _ADVANCED * _REPORTED_AT_ONCE)
    os.write(1, _ADVANCED * (len(files) % _REPORTED_AT_ONCE))
    with open(listing + KEYS_SUFFIX, "xb") as stream:
        stream.write(keys.tobytes())
