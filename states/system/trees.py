"""Read and copy entries of a directory tree that another user may change at any time.

Every entry is addressed by its name in an open directory, and no symlink is followed.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from engine.system.files import CHUNK_SIZE, sha256_of_file, write_all
from engine.system.xattrs import copy_attributes

if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NOT_A_DIRECTORY = (errno.ENOTDIR, errno.ELOOP)


class Node(NamedTuple):
    """An entry of an open directory."""

    directory: int
    name: str

    def status(self) -> os.stat_result | None:
        """Return the metadata of the entry, or None if it doesn't exist."""
        try:
            return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def content(self) -> str:
        """Return the SHA-256 of a file, the target of a symlink, or an empty string."""
        status = self.status()
        if status is None:
            return ""
        if stat.S_ISLNK(status.st_mode):
            return os.readlink(self.name, dir_fd=self.directory)
        if not stat.S_ISREG(status.st_mode):
            return ""
        with self.open_file() as descriptor:
            return sha256_of_file(iter(lambda: os.read(descriptor, CHUNK_SIZE), b""))

    def size(self) -> int:
        """Return the size in bytes, or -1 if the entry doesn't exist."""
        status = self.status()
        return -1 if status is None else status.st_size

    def equals(self, other: Node) -> bool:
        """Return whether two files or symlinks have the same content.

        Sizes and times are compared first: a copy keeps both, and a sparse file may be endless.
        """
        own, its = self.status(), other.status()
        if own is None or its is None or own.st_size != its.st_size:
            return False
        return own.st_mtime_ns == its.st_mtime_ns or self.content() == other.content()

    @contextmanager
    def open_file(self) -> Iterator[int]:
        """Yield a descriptor of a regular file.

        Raises:
            OSError: The entry isn't a regular file, or can't be read.

        """
        descriptor = os.open(self.name, _READ, dir_fd=self.directory)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", self.name)
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def open_directory(top: str, name: str) -> Iterator[int | None]:
    """Yield a descriptor of a directory inside another one, or None if there is no directory.

    Args:
        top: The path of the other directory, which may be a symlink.
        name: The relative path. No part of it may be a symlink.

    Raises:
        OSError: A directory can't be opened.

    """
    descriptors: list[int] = []
    try:
        descriptors.append(os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        for part in name.split("/"):
            descriptors.append(os.open(part, DIRECTORY, dir_fd=descriptors[-1]))
        directory: int | None = descriptors[-1]
    except OSError as error:
        if error.errno not in (errno.ENOENT, *NOT_A_DIRECTORY):
            raise
        directory = None
    try:
        yield directory
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def copy_data(source: int, target: int) -> None:
    """Copy the content of an open file. A hole in a sparse file stays a hole."""
    size, offset = os.fstat(source).st_size, 0
    while offset < size:
        try:
            offset = os.lseek(source, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # Only a hole is left.
                break
            raise
        end = min(size, os.lseek(source, offset, os.SEEK_HOLE))
        os.lseek(source, offset, os.SEEK_SET)
        os.lseek(target, offset, os.SEEK_SET)
        while offset < end and (chunk := os.read(source, min(CHUNK_SIZE, end - offset))):
            write_all(target, chunk)
            offset += len(chunk)
        if offset < end:
            break  # The file was truncated meanwhile.
    os.ftruncate(target, size)


def copy_metadata(target: int, source: int, status: os.stat_result) -> None:
    """Give an open file or directory the owner, mode, attributes, and times of another one.

    Args:
        target: The open file or directory.
        source: The other one.
        status: The metadata of the other one.

    """
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(target, status.st_uid, status.st_gid)
    is_file = stat.S_ISREG(status.st_mode)
    # A copy of a program that runs as its owner would escape the updates of the original.
    os.fchmod(target, stat.S_IMODE(status.st_mode) & (0o1777 if is_file else 0o7777))
    # After chown(2), which removes capabilities.
    copy_attributes(source, target)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
