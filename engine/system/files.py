"""Reading what may be anything, and writing so that it is whole, and there after the power went."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import time
from contextlib import contextmanager, suppress
from io import FileIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MISSING_ERRNOS = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
"""What a path ends in below which nothing can be: a file, or a symlink that leads to itself."""
CHUNK_SIZE = 1 << 20
"""So many bytes of a file of any size are in memory at once."""


def sha256(data: bytes) -> str:
    """Return the hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(blocks: Iterable[bytes]) -> str:
    """Return the hexadecimal SHA-256 of what comes block by block."""
    total = hashlib.sha256()
    for block in blocks:
        total.update(block)
    return total.hexdigest()


def read_regular_file(path: str, most: int | None = None) -> bytes:
    """Return what a plain file holds; raises `OSError` for anything else, and for a larger one."""
    with _open_regular_file(path) as stream:
        if most is not None and os.fstat(stream.fileno()).st_size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        return stream.readall()


def iter_chunks(path: str, size: int) -> Iterator[bytes]:
    """Yield the first `size` bytes of a plain file, block by block, whatever it has become.

    Raises `OSError` for anything else.
    """
    with _open_regular_file(path) as stream:
        while size > 0 and (block := stream.read(min(size, CHUNK_SIZE))):
            size -= len(block)
            yield block


def _open_regular_file(path: str) -> FileIO:
    """Open what somebody else may have put there: a pipe would make us wait, a device not end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    stream = FileIO(descriptor)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        stream.close()
        raise OSError(errno.EINVAL, "is no plain file", path)
    return stream


def entry_exists(path: str) -> bool:
    """Tell whether something has this name; not so what we may not look at, nor could remove.

    Raises `OSError` where nobody can tell: to take that for a no may cost what is there.
    """
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno in (*MISSING_ERRNOS, errno.EACCES):
            return False
        raise
    return True


def read_link(path: str) -> str:
    """Return what a symlink says; empty where there is none. Raises `OSError` as `is_there`."""
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno in (*MISSING_ERRNOS, errno.EACCES, errno.EINVAL):
            return ""
        raise


def listdir_or_empty(folder: str) -> list[str]:
    """Return the names in a folder; none where we may not look, or it is not there."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def add_checksum(data: bytes) -> bytes:
    """Return what `read_checked` reads as these bytes: below a line with their SHA-256."""
    return f"{sha256(data)}\n".encode() + data


def read_with_checksum(path: str) -> bytes:
    """Return what was written under a checksum; raises `ValueError` if that does not hold."""
    checksum, _, data = read_regular_file(path).partition(b"\n")
    if checksum != sha256(data).encode():
        raise ValueError(f"torn: {path}")
    return data


def write_atomic(
    path: str, data: bytes, mode: int = 0o644, *, durable: bool = False, locked: bool = False
) -> None:
    """Replace a file: write a temporary file in its directory, and rename it.

    Readers see either the old or the new content. A lock on the directory allows one writer
    at a time. So the temporary name is fixed, and the next writer replaces the file of a
    writer that was killed. It never reuses that file: in a shared directory, another user
    may own it.

    Args:
        path: The file. A symlink is replaced, not followed.
        data: The new content.
        mode: The permissions, independent of the umask.
        durable: Whether to sync the file before the rename, and the directory after it.
        locked: Whether the caller holds a lock that excludes other writers. If False, any user
            who can read the directory can delay the write for up to five seconds.

    Raises:
        OSError: The file can't be written. The previous content remains. If another process
            keeps the directory locked, it is a `BlockingIOError`.

    """
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".next-{name}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with _sole_writer(directory, alone=locked) as directory_fd:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        descriptor = os.open(temporary, flags, mode)
        try:
            try:
                os.fchmod(descriptor, mode)
                write_all(descriptor, data)
                if durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, path)
        except BaseException as error:
            os.unlink(temporary)
            if isinstance(error, OSError) and error.filename is None:
                error.filename = path  # write(2) and fsync(2) name no file.
            raise
        if durable:
            os.fsync(directory_fd)


def make_private_dir(path: str, *, durable: bool = True) -> None:
    """Make a folder that is nobody else's, and so all above it that are missing: mode 0700.

    Durably, lest what is flushed in it should be lost with it; not if nothing in it is `durable`.
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
    """Make a folder, and so all above it that are missing: mode 0755.

    `os.makedirs` trusts the umask, which counts for nothing where a default ACL is (acl(5)).
    """
    above = os.path.dirname(path)
    if not os.path.exists(above):
        make_dirs(above)
    try:
        os.mkdir(path, 0o755)
    except OSError:
        if not os.path.isdir(path):
            raise


@contextmanager
def _sole_writer(folder: str, *, alone: bool) -> Iterator[int]:
    """Lock a folder, unless `alone`, and yield its descriptor.

    Raises `BlockingIOError` after five seconds: whoever may read a folder may lock it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for attempt in range(0 if alone else 500):
            try:
                try_lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, folder)
                break
            except BlockingIOError:
                if attempt == 499:
                    raise
                time.sleep(0.01)
        yield descriptor
    finally:
        os.close(descriptor)


def try_lock(descriptor: int, how: int, path: str) -> None:
    """Lock an open file (flock(2)); its `OSError` names the file."""
    try:
        fcntl.flock(descriptor, how)
    except OSError as error:
        error.filename = path
        raise


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything: a single `write` may be cut short without an error."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def symlink(text: str, path: str) -> None:
    """Make a symlink; its `OSError` names where it was to be, and not what it was to say."""
    try:
        os.symlink(text, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None


def replace_symlink(text: str, path: str, aside: str, *, exchange: bool = False) -> None:
    """Make a symlink aside and give it its name in one step; swapped, what was there is aside then.

    What could not be put in its place is not left aside; the `OSError` names the place.
    """
    symlink(text, aside)
    try:
        if exchange:
            # Imported here: a run with nothing to do swaps nothing.
            from engine.system.linux import exchange_names

            exchange_names(aside, path)
        else:
            os.rename(aside, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(aside)
        raise OSError(error.errno, error.strerror, path) from None


def fsync_dir(path: str) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
