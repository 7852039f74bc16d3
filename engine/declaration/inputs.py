"""The files behind a declaration, read in one place so that the memo knows them all."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
from contextlib import suppress

from engine.declaration.diagnostics import Diagnostic
from engine.errors import ConvergeError, PermissionDenied, from_os_error
from engine.system.files import CHUNK_SIZE, sha256, sha256_of_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from engine.declaration.diagnostics import Key

Origin = tuple[str, "Key"]
"""A file, and a table in it."""

ABSENT = "absent"
_NOT_SOURCE = (
    ".git", ".hg", "__pycache__", "*.egg-info", ".tox", ".nox", ".venv",
    ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".coverage", "*.pyc",
)  # fmt: skip
"""What building or testing a source tree leaves in it: no part of what it is."""
_BUILT = ("build", "dist")
"""The same, at its top, and of a project in it; elsewhere that is a package of that name."""
_PROJECT = {"pyproject.toml", "setup.py", "setup.cfg"}


class TableInputs:
    """What one table of a declaration may ask of the world around it.

    Everything that is read is noted, so that a remembered declaration can be told from
    one whose files have changed. Problems are collected, never raised.
    """

    def __init__(
        self, file: str, folder: str, table: Key, origins: Mapping[str, Origin], notes: InputLog
    ) -> None:
        self.file = file
        self.folder = folder
        """Relative paths are relative to this one: the folder of the declaring file."""
        self.table = table
        self.origins = origins
        """For keys that come from a table of defaults: where that stands."""
        self.notes = notes

    def path(self, text: str, key: tuple[str | int, ...]) -> str:
        """Return the absolute, normal form of a path as it stands in the declaration.

        One that only a shell could read as it was meant is told as a problem at its key.
        """
        if text.startswith(("~", "$")):
            hint = "nothing is expanded in a declaration: write the path itself"
            self.problem(key, f"`{text}` is no path", hint)
        return os.path.normpath(os.path.join(self.folder, text))

    def read(self, path: str, key: tuple[str | int, ...]) -> str | None:
        """Return the text of a file; `None` where there is none.

        What is there and cannot be read, or is no text, is told as a problem at the key that
        names it, and reads as empty.
        """
        try:
            data = self.notes.read(path)
            if data is not None:
                return decode(data)
        except ValueError as error:
            self.problem(key, f"`{path}` {error}", "write it in UTF-8")
            return ""
        except OSError as error:
            self._unreadable(error, path, key)
            return ""
        if os.path.isdir(path):
            self.problem(key, f"`{path}` is a folder", "name a file in it")
            return ""
        return None

    def tree(self, path: str, key: tuple[str | int, ...]) -> str:
        """Return a digest of all source files below a folder; one that cannot be read is told."""
        if "\0" in path:  # as `%00` of a URL
            self.problem(key, f"`{path}` holds a NUL character", "no path has one")
            return ""
        try:
            return self.notes.tree(path)
        except OSError as error:
            self._unreadable(error, path, key)
            return ""

    def problem(self, key: tuple[str | int, ...], message: str, hint: str = "") -> None:
        """Tell of something wrong at a key of this table."""
        first = str(key[0]) if key else ""
        file, table = self.origins.get(first, (self.file, self.table))
        self.notes.complain(file, (*table, *key), message, hint)

    def _unreadable(self, error: OSError, path: str, key: tuple[str | int, ...]) -> None:
        """Tell of a path that leads to nothing readable; raise what is no matter of the path."""
        known = from_os_error(error)
        if known.code not in (ConvergeError.code, PermissionDenied.code):
            raise error
        hint = (
            "run as a user who may read it" if known.code == PermissionDenied.code else known.hint
        )
        words = (error.strerror or str(error)).lower()
        self.problem(key, f"`{error.filename or path}`: {words}", hint or "")


class InputLog:
    """All that was read for one declaration, with digests, and all that was wrong."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes | None] = {}
        """What each file held when first read: for all who name it, whatever becomes of it."""
        self.files: dict[str, str] = {}
        self.trees: dict[str, str] = {}
        self.problems: dict[Diagnostic, None] = {}
        """Each once, in the order in which they were found."""

    def complain(self, file: str, key: Key, message: str, hint: str = "") -> None:
        """Note a problem; the same one is noted once, however many inherit it."""
        self.problems.setdefault(Diagnostic(file=file, key=key, message=message, hint=hint))

    def read(self, path: str) -> bytes | None:
        """Read and note one file; `None` where there is none, or a pipe, which may never end."""
        if path not in self.contents:
            data = self.contents[path] = None if _is_pipe(path) else _content(path)
            self.files[path] = ABSENT if data is None else sha256(data)
        return self.contents[path]

    def tree(self, path: str) -> str:
        """Read and note one folder of source files."""
        if path not in self.trees:
            self.trees[path] = tree_digest(path)
        return self.trees[path]


def decode(data: bytes) -> str:
    """Return the text of a file, with or without a byte order mark.

    Raises `ValueError` with words that follow the file's name.
    """
    try:
        text = data.decode("utf-8-sig")
        wrong, words = text.find("\0"), "holds a NUL character"
    except UnicodeDecodeError as error:
        text = error.object.decode("latin-1")
        wrong, words = error.start, "is not UTF-8"
    if wrong >= 0:
        line = text.count("\n", 0, wrong) + 1
        raise ValueError(f"line {line} {words}")
    return text


def is_unchanged(files: dict[str, str], trees: dict[str, str]) -> bool:
    """Tell whether noted files and trees have the content that they had."""
    return all(_file_digest(path) == digest for path, digest in files.items()) and all(
        tree_digest(path) == digest for path, digest in trees.items()
    )


def tree_digest(path: str) -> str:
    """Return a digest of the names, kinds and contents below a folder, or of one file.

    What a build or a test run leaves behind is left out, as is all of version control, and
    what is published here: it may be made from this very source.
    """
    if not os.path.isdir(path):
        return _file_digest(path)
    return _walked(path, (*_NOT_SOURCE, *_BUILT), (os.path.realpath(path),), set())


def _walked(path: str, at_top: tuple[str, ...], within: tuple[str, ...], seen: set[str]) -> str:
    total = hashlib.sha256()
    for folder, folders, names in os.walk(path):
        left = at_top if folder == path else _NOT_SOURCE
        if not _PROJECT.isdisjoint(names):
            left = (*left, *_BUILT)
        ours = _published(folder, folders)
        folders[:] = sorted(name for name in _others(folders, left) if name not in ours)
        # A link to a folder is walked past, so what it says is where it leads.
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in sorted([*links, *_others(names, left)]):
            whole = os.path.join(folder, name)
            with suppress(FileNotFoundError):  # it went away meanwhile, as an editor's files do
                mode = os.lstat(whole).st_mode
                executable = "x" if mode & 0o111 else "-"
                said = _said(whole, mode, within, seen)
                line = f"{os.path.relpath(whole, path)}\0{executable}\0{said}\n"
                total.update(os.fsencode(line))
    return total.hexdigest()


def _published(folder: str, names: Iterable[str]) -> set[str]:
    """Return the names of what we keep in a folder, and of the symlinks that publish it."""
    kept = {
        name
        for name in names
        if name.startswith(".") and os.path.isdir(os.path.join(folder, name, "generations"))
    }
    links = {name[1:] for name in kept if os.path.islink(os.path.join(folder, name[1:]))}
    return kept | links


def _others(names: Iterable[str], patterns: Iterable[str]) -> Iterator[str]:
    return (n for n in names if not any(fnmatch.fnmatchcase(n, one) for one in patterns))


def _said(path: str, mode: int, within: tuple[str, ...], seen: set[str]) -> str:
    if stat.S_ISLNK(mode):
        return os.readlink(path) + _beyond(os.path.realpath(path), within, seen)
    return _file_digest(path) if stat.S_ISREG(mode) else ABSENT


def _beyond(place: str, within: tuple[str, ...], seen: set[str]) -> str:
    """Return the digest of a module or package outside the tree that a link in it leads to.

    A build takes it from there. Each is looked at once. No part of the source is what holds
    the tree, what may not be read, and what is no code: a log, or all that users sent in.
    """
    if place in seen or any(os.path.commonpath((place, one)) in (place, one) for one in within):
        return ""
    seen.add(place)
    try:
        if os.path.isfile(os.path.join(place, "__init__.py")):
            return _walked(place, _NOT_SOURCE, (*within, place), seen)
        return _file_digest(place) if place.endswith(".py") and os.path.isfile(place) else ""
    except PermissionError:
        return ""


def _file_digest(path: str) -> str:
    try:
        with open(path, "rb", opener=_at_once) as stream:
            return sha256_of_file(
                iter(lambda: stream.read(CHUNK_SIZE), b"")
            )  # a wheel may be a large one
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return ABSENT


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb", opener=_at_once) as stream:
            return stream.read() or b""
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for a pipe's other end, which may never come."""
    return os.open(path, flags | os.O_NONBLOCK)
