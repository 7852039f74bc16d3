"""Copy the files of one package from one generation to another."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from engine import progress
from engine.system.files import iter_chunks, sha256_of_file, write_all
from states.venv.build.reuse.relocate import SCRIPT_HEAD, relocate_script, update_record
from states.venv.integrity.dist_info import is_metadata, read_record
from states.venv.integrity.pyc_paths import is_bytecode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from states.venv.integrity.manifest import Entry

_MAX_WHOLE_READ = 1 << 24
"""Maximum size in bytes of a file that is read as a whole."""


class PackageCopier:
    """Copies packages from one generation to another.

    Args:
        source: The directory of the other generation.
        target: The directory of the new generation.
        manifest: The manifest of the other generation.
        packages: The names of the packages that both generations contain.

    """

    def __init__(
        self, source: str, target: str, manifest: Mapping[str, Entry], packages: set[str]
    ) -> None:
        self._source = source
        self._target = target
        self._manifest = manifest
        self._packages = packages
        self._created: set[str] = set()
        """The directories that exist in the target."""

    def copy(self, paths: list[str]) -> dict[str, str]:
        """Copy one package. If any file differs from the manifest, delete its copies again.

        Args:
            paths: The files of the package, relative to both directories.

        Returns:
            The SHA-256 of each copy by path, or an empty dictionary if the package can't be
            copied.

        """
        package = _PackageCopy(self._source, self._target, self._created)
        try:
            # Sorted, so that the scripts in `bin` come before the RECORD that lists them.
            for path in sorted(paths):
                package.copy(path, self._manifest[path])
                progress.advance(self._manifest[path].size)
            is_complete = all(self._is_shared(path) for path in package.missing())
        except (OSError, ValueError):
            is_complete = False
        if not is_complete:
            package.undo()
            return {}
        return package.digests

    def _is_shared(self, path: str) -> bool:
        """Return whether another package, which the new generation also contains, has a path."""
        entry = self._manifest.get(path)
        return entry is not None and entry.package in self._packages


class _PackageCopy:
    """Copies the files of one package from one generation to another."""

    def __init__(self, source: str, target: str, created: set[str]) -> None:
        self.source = source
        self.target = target
        self.created = created
        self.digests: dict[str, str] = {}
        """The SHA-256 of each complete copy by path."""
        self._relocated: dict[str, bytes] = {}
        self._started: list[str] = []

    def copy(self, path: str, entry: Entry) -> None:
        """Copy a file and hash it.

        Raises:
            ValueError: The file differs from the manifest, or its script can't be relocated.
            OSError: The file can't be read, or the copy can't be written.

        """
        is_script = path.startswith("bin/")
        if entry.size > _MAX_WHOLE_READ and not is_script:
            self._copy_large_file(path, entry)
            return
        content = b"".join(iter_chunks(f"{self.source}/{path}", entry.size))
        if sha256_of_file([content]) != entry.content:
            raise ValueError(path)
        digest = entry.content
        if is_script and self.source.encode() in content[:SCRIPT_HEAD]:
            content = self._relocated[path] = relocate_script(content, self.source, self.target)
            digest = sha256_of_file([content])
        elif self._relocated and is_metadata(path, "RECORD"):
            content = update_record(path, content, self._relocated)
            digest = sha256_of_file([content])
        self._write(path, [content], entry.mode)
        self.digests[path] = digest

    def _copy_large_file(self, path: str, entry: Entry) -> None:
        """Copy a file chunk by chunk.

        Raises:
            ValueError: The file differs from the manifest.

        """
        digest = hashlib.sha256()

        def read_and_hash() -> Iterator[bytes]:
            for chunk in iter_chunks(f"{self.source}/{path}", entry.size):
                digest.update(chunk)
                yield chunk

        self._write(path, read_and_hash(), entry.mode)
        if digest.hexdigest() != entry.content:
            raise ValueError(path)
        self.digests[path] = digest.hexdigest()

    def _write(self, path: str, chunks: Iterable[bytes], mode: int) -> None:
        self._started.append(path)
        copy = f"{self.target}/{path}"
        directory = os.path.dirname(copy)
        if directory not in self.created:
            os.makedirs(directory, exist_ok=True)
            self.created.add(directory)
        descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            for chunk in chunks:
                write_all(descriptor, chunk)
        finally:
            os.close(descriptor)

    def missing(self) -> Iterator[str]:
        """Yield the files in the package's RECORD that weren't copied.

        The manifest doesn't list persistent and ignored files, and a file of several packages
        belongs to one of them.
        """
        for path in self.digests:
            if is_metadata(path, "RECORD"):
                for listed, _ in read_record(self.target, os.path.dirname(path)):
                    if listed not in self.digests and not is_bytecode(listed):
                        yield listed

    def undo(self) -> None:
        """Delete the copies, and the directories that become empty.

        An empty `dist-info` directory must not remain: uv counts its package as installed.
        """
        directories = set()
        for path in self._started:
            with suppress(FileNotFoundError):
                os.unlink(f"{self.target}/{path}")
            while path := os.path.dirname(path):
                directories.add(f"{self.target}/{path}")
        for directory in sorted(directories, key=len, reverse=True):
            with suppress(OSError):
                os.rmdir(directory)
                self.created.discard(directory)
