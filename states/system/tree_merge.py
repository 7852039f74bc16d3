"""Add the entries of one directory tree to another."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from functools import partial

from states.system.merge_target import NewTarget, OccupiedError, Target
from states.system.trees import DIRECTORY, NOT_A_DIRECTORY, Node, copy_data

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_DEPTH = 100
"""Maximum number of nested directories, each with two open descriptors."""


class TreeMerge:
    """Adds entries to a directory. Subclasses decide which, and with what owner and mode.

    Args:
        scratch: An empty directory of the current user for files that are being written.

    """

    creates_empty_directories = True

    def __init__(self, scratch: str) -> None:
        self.scratch = scratch
        self.changed = False
        """Whether anything was written."""

    def wants(self, path: str, source: Node, existing: Node | None) -> bool:
        """Decide about a file or a symlink.

        Args:
            path: Its path, relative to the directory.
            source: The entry.
            existing: The entry at the same path in the target, if there is one.

        Returns:
            Whether to add the entry, or to replace the existing one.

        Raises:
            NotImplementedError: Subclasses implement this.

        """
        raise NotImplementedError

    def set_metadata(self, descriptor: int, source: int, status: os.stat_result) -> None:
        """Set the owner and the mode of a new file or directory.

        Args:
            descriptor: The open file or directory.
            source: The open source.
            status: The metadata of the source.

        Raises:
            NotImplementedError: Subclasses implement this.

        """
        raise NotImplementedError

    def owner_of(self, status: os.stat_result) -> tuple[int, int]:
        """Return the owner and the group of a new symlink from the metadata of the source.

        Raises:
            NotImplementedError: Subclasses implement this.

        """
        raise NotImplementedError

    def merge(self, source: int, target: int) -> None:
        """Add the entries of an open directory to another one.

        A file gets its name only when it is complete and synced.

        Raises:
            OSError: An entry can't be read or written.

        """
        scratch = os.open(self.scratch, DIRECTORY)
        try:
            self._merge_directory(source, Target(target), "", scratch)
        finally:
            os.close(scratch)

    def _merge_directory(self, source: int, target: Target, prefix: str, scratch: int) -> None:
        if prefix.count("/") > _MAX_DEPTH:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), prefix)
        for name in sorted(os.listdir(source)):
            node = Node(source, name)
            status = node.status()
            if status is None:
                continue
            if stat.S_ISDIR(status.st_mode):
                self._merge_subdirectory(node, target, f"{prefix}{name}/", scratch)
            elif stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                self._merge_file(node, status, target, prefix + name, scratch)
            # A socket, a pipe, or a device has no content.

    def _merge_subdirectory(self, node: Node, parent: Target, prefix: str, scratch: int) -> None:
        try:
            source = os.open(node.name, DIRECTORY, dir_fd=node.directory)
        except OSError as error:
            if error.errno in (errno.ENOENT, *NOT_A_DIRECTORY):
                return  # Its owner replaced it meanwhile.
            raise
        target = NewTarget(parent, node.name, partial(self._create_directory, source, scratch))
        try:
            if self.creates_empty_directories:
                target.open(create=True)
            self._merge_directory(source, target, prefix, scratch)
            descriptor = target.open()
            if target.created and descriptor is not None:
                self.set_metadata(descriptor, source, os.fstat(source))
        except OccupiedError:
            # A file or a symlink of the user has the name of the directory. It stays.
            self.wants(prefix.rstrip("/"), node, target.node())
        finally:
            target.close()
            os.close(source)

    def _create_directory(self, source: int, scratch: int, final: Node) -> bool:
        """Create a directory. It gets its name only when it has its owner and mode.

        A later run finds an existing directory and doesn't set them.

        Args:
            source: The source of the metadata.
            scratch: The directory for temporary entries.
            final: The name of the directory.

        Returns:
            Whether it was created. Otherwise, an entry with the name exists.

        Raises:
            OSError: It can't be created.

        """
        self.changed = True
        try:
            return self._rename_new_directory(source, Node(scratch, "new"), final)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            temporary = Node(final.directory, f".{final.name[:200]}.converge-new")
            with suppress(FileNotFoundError):
                os.rmdir(temporary.name, dir_fd=temporary.directory)
            return self._rename_new_directory(source, temporary, final)

    def _rename_new_directory(self, source: int, temporary: Node, final: Node) -> bool:
        os.mkdir(temporary.name, 0o700, dir_fd=temporary.directory)
        try:
            descriptor = os.open(temporary.name, DIRECTORY, dir_fd=temporary.directory)
            try:
                status = os.fstat(source)
                self.set_metadata(descriptor, source, status)
                if os.geteuid() and ~status.st_mode & stat.S_IRWXU:
                    # Only root can add entries to a read-only directory.
                    os.fchmod(descriptor, stat.S_IMODE(status.st_mode) | stat.S_IRWXU)
            finally:
                os.close(descriptor)
            if final.status() is not None:
                return False
            os.rename(
                temporary.name,
                final.name,
                src_dir_fd=temporary.directory,
                dst_dir_fd=final.directory,
            )
            return True
        finally:
            with suppress(FileNotFoundError):
                os.rmdir(temporary.name, dir_fd=temporary.directory)

    def _merge_file(
        self, node: Node, status: os.stat_result, target: Target, path: str, scratch: int
    ) -> None:
        directory = target.open()
        existing = None if directory is None else Node(directory, node.name)
        if existing is not None and existing.status() is None:
            existing = None
        if not self.wants(path, node, existing):
            return
        directory = target.open(create=True)
        assert directory is not None  # It was created.
        try:
            self._write(node, status, Node(scratch, "new"), Node(directory, node.name), existing)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # The target is a mount point. A killed run may have left the temporary file there.
            temporary = Node(directory, f".{node.name[:200]}.converge-new")
            with suppress(FileNotFoundError):
                os.unlink(temporary.name, dir_fd=directory)
            self._write(node, status, temporary, Node(directory, node.name), existing)
        self.changed = True

    def _write(
        self, source: Node, status: os.stat_result, temporary: Node, final: Node, old: Node | None
    ) -> None:
        """Write a copy under a temporary name, and rename it.

        Args:
            source: The file or symlink.
            status: Its metadata.
            temporary: The temporary name.
            final: The final name.
            old: The entry to replace, if any. Otherwise, an entry that appears meanwhile stays.

        """
        try:
            if stat.S_ISLNK(status.st_mode):
                link = os.readlink(source.name, dir_fd=source.directory)
                os.symlink(link, temporary.name, dir_fd=temporary.directory)
                owner = self.owner_of(status)
                os.chown(temporary.name, *owner, dir_fd=temporary.directory, follow_symlinks=False)
            else:
                self._write_file(source, temporary)
            if old is None and final.status() is not None:
                return
            os.rename(
                temporary.name,
                final.name,
                src_dir_fd=temporary.directory,
                dst_dir_fd=final.directory,
            )
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary.name, dir_fd=temporary.directory)

    def _write_file(self, source: Node, temporary: Node) -> None:
        with source.open_file() as original:
            copy = os.open(temporary.name, _CREATE, 0o600, dir_fd=temporary.directory)
            try:
                copy_data(original, copy)
                self.set_metadata(copy, original, os.fstat(original))
                # INVARIANT: the content must be on disk before its name.
                os.fsync(copy)
            finally:
                os.close(copy)
