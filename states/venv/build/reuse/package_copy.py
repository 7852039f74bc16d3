"""Copy packages from one generation to another."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from engine.system.files import iter_chunks, sha256_of_file, write_all
from states.venv.build.reuse.copy_workers import copying
from states.venv.build.reuse.file_copy import NEW_FILE
from states.venv.build.reuse.relocate import SCRIPT_HEAD, relocate_script, update_record
from states.venv.integrity.dist_info import is_metadata, may_name_generation, read_record
from states.venv.integrity.pyc_paths import is_bytecode
from states.venv.integrity.stat_cache import status_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from states.venv.build.reuse.file_copy import File
    from states.venv.integrity.manifest import Entry
    from states.venv.integrity.stat_cache import Key


class Copy(NamedTuple):
    """A copied file."""

    digest: str
    """Its SHA-256."""
    key: Key
    """Its stat key when it was complete. A file with another key was changed later."""


class PackageCopier:
    """Copies packages from one generation to another.

    Args:
        source: The directory of the other generation.
        target: The directory of the new generation.
        manifest: The manifest of the other generation.
        scratch: A directory for temporary files.

    """

    def __init__(
        self, source: str, target: str, manifest: Mapping[str, Entry], scratch: str
    ) -> None:
        self._source = source
        self._target = target
        self._manifest = manifest
        self._scratch = scratch

    def copy(self, paths: Mapping[str, list[str]]) -> dict[str, dict[str, Copy]]:
        """Copy packages. If a file differs from the manifest, delete the copies of its package.

        Args:
            paths: The files of each package, relative to both directories.

        Returns:
            The copies by path, for each package that could be copied.

        """

        def is_shared(path: str) -> bool:
            """Return whether another package, which is also copied, has a path."""
            entry = self._manifest.get(path)
            return entry is not None and entry.package in paths

        packages = {name: self._package(own) for name, own in paths.items()}
        files = [file for package in packages.values() for file in package.same]
        with copying(self._source, self._target, files, self._scratch) as wait:
            for package in packages.values():
                package.adapt(is_shared)
            keys = wait()
        copied = {name: package.finish(keys) for name, package in packages.items()}
        return {name: copies for name, copies in copied.items() if copies}

    def _package(self, paths: Iterable[str]) -> _PackageCopy:
        entries = ((path, self._manifest[path]) for path in paths)
        files = [(path, entry.mode, entry.size, entry.content) for path, entry in entries]
        return _PackageCopy(self._source, self._target, files)


class _PackageCopy:
    """The copy of one package.

    Attributes:
        same: The files whose copies have the same content.

    """

    def __init__(self, source: str, target: str, files: list[File]) -> None:
        # Sorted, so that the scripts in `bin` come before the RECORD that lists them.
        self._others = sorted(file for file in files if may_name_generation(file[0]))
        self.same = [file for file in files if not may_name_generation(file[0])]
        self._source = source
        self._target = target
        self._copies: dict[str, Copy] = {}
        self._relocated: dict[str, bytes] = {}
        self._is_complete = False

    def adapt(self, is_shared: Callable[[str], bool]) -> None:
        """Copy the other files: scripts, which name their generation, and the RECORD.

        Args:
            is_shared: Returns whether another package brings a file that the RECORD lists.

        """
        # `finish` deletes the copies of an incomplete package.
        with suppress(OSError, ValueError):
            for file in self._others:
                self._copies[file[0]] = self._adapt(*file)
            self._is_complete = all(map(is_shared, self._missing()))

    def finish(self, keys: Mapping[str, Key | None]) -> dict[str, Copy]:
        """Return all copies. If any is missing, delete them, and return an empty dictionary.

        Args:
            keys: The stat key of the copy of each file in `same`, or None if there is no copy.

        """
        for path, _, _, digest in self.same:
            if key := keys.get(path):
                self._copies[path] = Copy(digest, key)
        if self._is_complete and len(self._copies) == len(self.same) + len(self._others):
            return self._copies
        # Nothing is known about a copy without an entry.
        unknown = (path for path, *_ in self.same if path not in keys)
        self._undo([*self._copies, *unknown])
        return {}

    def _adapt(self, path: str, mode: int, size: int, digest: str) -> Copy:
        """Copy a file with the path of its new generation.

        Args:
            path: The file.
            mode: Its mode.
            size: Its size in bytes.
            digest: Its SHA-256.

        Returns:
            The copy.

        Raises:
            ValueError: The file differs from the manifest, or its script can't be relocated.
            OSError: The file can't be read, or the copy can't be written.

        """
        content = b"".join(iter_chunks(f"{self._source}/{path}", size))
        if sha256_of_file([content]) != digest:
            raise ValueError(path)
        if is_metadata(path, "RECORD"):
            content = update_record(path, content, self._relocated)
        elif self._source.encode() in content[:SCRIPT_HEAD]:
            content = self._relocated[path] = relocate_script(content, self._source, self._target)
        return Copy(sha256_of_file([content]), _write(f"{self._target}/{path}", mode, content))

    def _missing(self) -> Iterator[str]:
        """Yield the files in the package's RECORD that aren't copied with it.

        The manifest doesn't list persistent and ignored files, and a file of several packages
        belongs to one of them.
        """
        paths = {path for path, *_ in (*self.same, *self._others)}
        for path in paths:
            if is_metadata(path, "RECORD"):
                for listed, _ in read_record(self._target, os.path.dirname(path)):
                    if listed not in paths and not is_bytecode(listed):
                        yield listed

    def _undo(self, paths: Iterable[str]) -> None:
        """Delete copies, and the directories that become empty.

        An empty `dist-info` directory must not remain: uv counts its package as installed.
        """
        for path in paths:
            with suppress(FileNotFoundError):
                os.unlink(f"{self._target}/{path}")
        directories = set()
        for path, *_ in (*self.same, *self._others):
            while path := os.path.dirname(path):
                directories.add(f"{self._target}/{path}")
        for directory in sorted(directories, key=len, reverse=True):
            with suppress(OSError):
                os.rmdir(directory)


def _write(path: str, mode: int, content: bytes) -> Key:
    """Write a new file.

    Args:
        path: The file.
        mode: Its mode.
        content: Its content.

    Returns:
        Its stat key.

    Raises:
        OSError: The file can't be written, or exists already. If it is new, it was deleted again.

    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    descriptor = os.open(path, NEW_FILE, mode)
    try:
        write_all(descriptor, content)
        return status_key(os.fstat(descriptor))
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)
