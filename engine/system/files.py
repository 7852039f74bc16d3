"""Safe reads of untrusted paths, and atomic, durable writes."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from io import FileIO

from engine.system.existence import is_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from hashlib import sha256 as _interpreter_sha256
else:
    # hashlib loads OpenSSL: 11 million instructions, 7 % of a run without changes. Such a run
    # hashes short texts only, for which the interpreter's own implementation is fast enough.
    try:
        if sys.version_info >= (3, 12):
            from _sha2 import sha256 as _interpreter_sha256
        else:
            from _sha256 import sha256 as _interpreter_sha256
    except ImportError:  # An interpreter can be built without it.
        from hashlib import sha256 as _interpreter_sha256

CHUNK_SIZE = 1 << 20
"""Maximum size in bytes of the part of a file that is in memory."""


def sha256(data: bytes) -> str:
    """Return the hexadecimal SHA-256 of a short text. For many files, use `sha256_of_file`."""
    if len(data) <= CHUNK_SIZE:
        return _interpreter_sha256(data).hexdigest()
    return sha256_of_file((data,))


def sha256_of_file(chunks: Iterable[bytes]) -> str:
    """Return the hexadecimal SHA-256 of a file's chunks (`iter_chunks`)."""
    import hashlib  # OpenSSL uses the SHA instructions of the CPU, which pays for large data.

    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def read_regular_file(path: str, max_size: int | None = None) -> bytes:
    """Return the content of a regular file, without following a symlink.

    Raises:
        OSError: The path isn't a regular file, or the file has more than `max_size` bytes.

    """
    with FileIO(open_regular_file(path)) as file:
        if max_size is not None and os.fstat(file.fileno()).st_size > max_size:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        return file.readall()


def iter_chunks(path: str, size: int) -> Iterator[bytes]:
    """Yield the first `size` bytes of a regular file in chunks, even if the file grows.

    Raises:
        OSError: The path isn't a regular file, or it can't be read.

    """
    descriptor = open_regular_file(path)
    try:
        yield from read_chunks(descriptor, size)
    finally:
        os.close(descriptor)


def read_chunks(descriptor: int, size: int) -> Iterator[bytes]:
    """Yield the next `size` bytes of an open file in chunks, or fewer at its end."""
    while size > 0 and (chunk := os.read(descriptor, min(size, CHUNK_SIZE))):
        size -= len(chunk)
        yield chunk


def open_regular_file(path: str, directory: int | None = None) -> int:
    """Open a file that another user may have created, for reading.

    Opening a pipe would block, and reading a device might never end.

    Args:
        path: The file.
        directory: An open directory that a relative path starts from.

    Returns:
        The descriptor.

    Raises:
        OSError: The path isn't a regular file.

    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, dir_fd=directory)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def add_checksum(data: bytes) -> bytes:
    """Return data for `read_with_checksum`: a line with its SHA-256, followed by the data."""
    return f"{sha256(data)}\n".encode() + data


def read_with_checksum(path: str) -> bytes:
    """Return the data of a file that begins with its checksum.

    Raises:
        ValueError: The checksum doesn't match, for example after a torn write.
        OSError: As for `read_regular_file`.

    """
    checksum, _, data = read_regular_file(path).partition(b"\n")
    if checksum != sha256(data).encode():
        raise ValueError(f"checksum mismatch: {path}")
    return data


def write_all(descriptor: int, data: bytes) -> None:
    """Write all data. A single write(2) may write less without an error."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def make_private_dir(path: str, *, durable: bool = True) -> None:
    """Create a directory and its missing parents, with mode 0700.

    If `durable`, sync each parent: a file that is synced later must not be lost with its
    directory. An existing directory is left unchanged.
    """
    with suppress(FileExistsError):
        try:
            os.mkdir(path, 0o700)
        except FileNotFoundError:
            make_private_dir(os.path.dirname(path), durable=durable)
            os.mkdir(path, 0o700)
        if durable:
            fsync_dir(os.path.dirname(path))


def make_dirs(path: str) -> None:
    """Create a directory and its missing parents, with mode 0755.

    `os.makedirs` relies on the umask, which the kernel ignores under a default ACL (acl(5)).
    """
    try:
        os.mkdir(path, 0o755)
    except FileNotFoundError:
        make_dirs(os.path.dirname(path))
        os.mkdir(path, 0o755)
    except OSError:  # It exists. A read-only file system reports that first.
        if not is_directory(path):
            raise


def fsync_dir(path: str) -> None:
    """Sync a directory, so that its entries survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def symlink(target: str, path: str) -> None:
    """Create a symlink.

    Raises:
        OSError: It names the path of the symlink, while that of `os.symlink` names the target.

    """
    try:
        os.symlink(target, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None


def replace_symlink(target: str, path: str, temporary: str, *, exchange: bool = False) -> None:
    """Replace an entry with a symlink atomically.

    Args:
        target: The target of the symlink.
        path: The entry to replace.
        temporary: Where the symlink is created first, on the same file system.
        exchange: Whether the replaced entry gets the temporary name. If False, it is deleted.

    Raises:
        OSError: Nothing was replaced, and the temporary symlink was deleted.

    """
    symlink(target, temporary)
    try:
        if exchange:
            # Imported here: a no-op run exchanges nothing.
            from engine.system.linux import exchange_names

            exchange_names(temporary, path)
        else:
            os.rename(temporary, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        raise OSError(error.errno, error.strerror, path) from None
