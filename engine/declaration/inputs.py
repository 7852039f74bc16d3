"""Inputs of a declaration: each file is read once, and its digest is part of the cache."""

from __future__ import annotations

import os
import stat
from itertools import chain

from engine.declaration.diagnostics import Diagnostic
from engine.errors import ConvergeError, PermissionDenied, from_os_error
from engine.redaction import find_query_secrets
from engine.system.files import CHUNK_SIZE, sha256, sha256_of_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    from engine.table import Key

    Origin: TypeAlias = tuple[str, Key]
    """A file and a table in it."""
    Digests: TypeAlias = dict[str, dict[str, str]]
    """Digests by digest function and path."""
    DigestFunctions: TypeAlias = Mapping[str, Callable[[str], str]]
    """Digest functions by name, as in `KindRegistry.digest_functions`."""

ABSENT = "absent"
"""The digest of a file that doesn't exist, and of a directory."""


class TableInputs:
    """The files around one table, as a kind may use them (`engine.kind.Inputs`).

    Each file that is read becomes part of the cache key. Errors are collected, not raised.

    Args:
        file: The declaring file: an absolute path or `<stdin>`.
        directory: The directory that relative paths are relative to.
        table: The kind and the name of the table.
        origins: For each key inherited from a table of defaults, the location of that table.
        log: The inputs and errors of the declaration. Shared by all tables.

    """

    def __init__(
        self, file: str, directory: str, table: Key, origins: Mapping[str, Origin], log: InputLog
    ) -> None:
        self.file = file
        self.directory = directory
        self.table = table
        self.origins = origins
        self.log = log
        self.added: dict[Key, tuple[str, int]] = {}
        """The file and the line of each value that a kind took from another file."""
        self.declared: Mapping[str, Any] = {}

    def path(self, text: str, key: Key) -> str:
        """Return the absolute, normalized form of a path in the declaration.

        Reports a path that only a shell would expand.
        """
        if text.startswith(("~", "$")):
            message = f"`{text[0]}` isn't expanded in declarations: `{text}`"
            self.error(key, message, "write the full path")
        return os.path.normpath(os.path.join(self.directory, text))

    def read(self, path: str, key: Key) -> str | None:
        """Return the text of a file, or None if it doesn't exist.

        Reports a file that is unreadable or isn't text, and returns an empty string for it.

        Raises:
            OSError: The disk can't be read.

        """
        try:
            data = self.log.read(path)
            if data is not None:
                return decode(data)
        except ValueError as error:
            self.error(key, f"`{path}` {error}", "save the file as UTF-8")
            return ""
        except OSError as error:
            self._report_unreadable(error, path, key)
            return ""
        if os.path.isdir(path):
            self.error(key, f"`{path}` is a directory", "name a file in it")
            return ""
        return None

    def digest(self, path: str, function: str, key: Key) -> str:
        """Return the digest of a file or directory. Reports a path that can't be read.

        Args:
            path: An absolute path.
            function: The name of the digest function in `KindRegistry.digest_functions`.
            key: The key that names the path.

        Returns:
            The digest, or an empty string.

        Raises:
            OSError: The disk can't be read.

        """
        if "\0" in path:  # for example from `%00` in a URL
            self.error(key, f"`{path}` contains a NUL character", "remove it")
            return ""
        try:
            return self.log.digest(path, function)
        except OSError as error:
            self._report_unreadable(error, path, key)
            return ""

    def add_origin(self, key: Key, file: str, line: int) -> None:
        """Record the place of a value that a kind took from another file.

        Args:
            key: The key of this table that gets the value.
            file: The file that contains it.
            line: The line, from 1.

        """
        self.added[key] = (file, line)

    def error(self, key: Key, message: str, hint: str = "", *, marks_key: bool = False) -> None:
        """Report an error at a key of this table.

        Args:
            key: The key, relative to the table. The place of an inherited one is in its defaults.
            message: The summary.
            hint: How to fix the error.
            marks_key: Whether the key itself is wrong, and not its value.

        """
        name = str(key[0]) if key else ""
        file, table = self.origins.get(name, (self.file, self.table))
        self.log.add(Diagnostic(file, message, hint, (*table, *key), marks_key=marks_key))

    def _report_unreadable(self, error: OSError, path: str, key: Key) -> None:
        """Report an error that the path causes.

        Args:
            error: The error of the system call.
            path: The path, used if the error names none.
            key: The key that names the path.

        Raises:
            OSError: The path isn't the cause: it is an I/O error, for example.

        """
        translated = from_os_error(error)
        if translated.code not in (ConvergeError.code, PermissionDenied.code):
            raise error
        denied = translated.code == PermissionDenied.code
        hint = "run converge as a user who can read it" if denied else translated.hint
        reason = (error.strerror or str(error)).lower()
        self.error(key, f"`{error.filename or path}`: {reason}", hint or "")


class InputLog:
    """Every input of one declaration with its digest, and every error in the declaration.

    Args:
        digest_functions: As in `KindRegistry.digest_functions`.

    Attributes:
        files: The digest of each file that was read, by path.
        digests: The digests that kinds asked for, by digest function and path.
        diagnostics: The errors in the order in which they were found, without duplicates.

    """

    def __init__(self, digest_functions: DigestFunctions | None = None) -> None:
        self.digest_functions = digest_functions or {}
        self.files: dict[str, str] = {}
        self.digests: Digests = {}
        self.diagnostics: dict[Diagnostic, None] = {}
        # Every table gets the content of the first read, even if the file changes meanwhile:
        # otherwise the old content would be cached under the digest of the new content.
        self._contents: dict[str, bytes | None] = {}

    def add(self, diagnostic: Diagnostic) -> None:
        """Add an error. An error in a default is added once, however many tables inherit it."""
        self.diagnostics.setdefault(diagnostic)

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, or None for a missing file or a named pipe.

        A pipe counts as missing because reading it might never end.

        Raises:
            OSError: The file can't be read.

        """
        if path not in self._contents:
            data = self._contents[path] = None if _is_pipe(path) else _content(path)
            self.files[path] = ABSENT if data is None else sha256(data)
        return self._contents[path]

    def contains_signature(self) -> bool:
        """Return whether a URL in a file that was read has a signature or token in its query."""
        contents = filter(None, self._contents.values())
        return any(find_query_secrets(data.decode(errors="replace")) for data in contents)

    def digest(self, path: str, function: str) -> str:
        """Return what a digest function returns for a path. Called once for each path.

        Raises:
            OSError: The path can't be read.

        """
        digests = self.digests.setdefault(function, {})
        if path not in digests:
            digests[path] = self.digest_functions[function](path)
        return digests[path]


def decode(data: bytes) -> str:
    """Return the text of a file, with or without a byte order mark.

    Raises:
        ValueError: It isn't text. The message continues a sentence that begins with the file.

    """
    try:
        text = data.decode("utf-8-sig")
        offset, reason = text.find("\0"), "contains a NUL character"
    except UnicodeDecodeError as error:
        text = error.object.decode("latin-1")
        offset, reason = error.start, "isn't UTF-8"
    if offset >= 0:
        line = text.count("\n", 0, offset) + 1
        raise ValueError(f"line {line} {reason}")
    return text


def is_unchanged(
    files: dict[str, str], digests: Digests, digest_functions: DigestFunctions
) -> bool:
    """Check whether all inputs of a declaration have the same digests as before.

    Args:
        files: As in `InputLog.files`.
        digests: As in `InputLog.digests`.
        digest_functions: As in `KindRegistry.digest_functions`.

    Returns:
        False if an input was changed, created, or deleted.

    Raises:
        OSError: An input can't be read.
        KeyError: A digest function doesn't exist.

    """
    return all(file_digest(path) == digest for path, digest in files.items()) and all(
        digest_functions[function](path) == digest
        for function, by_path in digests.items()
        for path, digest in by_path.items()
    )


def file_digest(path: str) -> str:
    """Return the SHA-256 of a file, or `ABSENT` if the path isn't a file.

    Raises:
        OSError: The file can't be read.

    """
    try:
        with open(path, "rb", opener=_open_nonblocking) as stream:
            head = stream.read(CHUNK_SIZE)
            if len(head) < CHUNK_SIZE:
                return sha256(head)
            # In chunks: a file may be larger than the available RAM.
            return sha256_of_file(chain((head,), iter(lambda: stream.read(CHUNK_SIZE), b"")))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return ABSENT


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb", opener=_open_nonblocking) as stream:
            return stream.read() or b""
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False


def _open_nonblocking(path: str, flags: int) -> int:
    """Open a file without waiting for a writer at the other end of a named pipe."""
    return os.open(path, flags | os.O_NONBLOCK)
