"""Digests of source trees: a local project is rebuilt if its digest changes."""

from __future__ import annotations

import fnmatch
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.declaration.inputs import ABSENT, file_digest
from engine.frozen import frozen
from engine.system.files import sha256
from states.venv.sources.names import PROJECT_FILES, source_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.venv.sources.gitignore import GitIgnore
    from states.venv.sources.project import ProjectFiles

_Key = tuple[int, int, int, int]
"""Inode, size, mtime, and ctime. A write changes the last one."""


@frozen
class Snapshot:
    """The source files of a project at one moment. Paths are relative to the project."""

    files: dict[str, str]
    """For each source file, a digest of its type, executable bit, and content."""
    keys: dict[str, _Key]
    """For each source file, the metadata that a write changes."""
    ignored: tuple[str, ...]
    """Files and directories that don't count as source because Git ignores them."""

    @property
    def digest(self) -> str:
        """The digest of all source files. The receipt records it as the project's content."""
        lines = "".join(f"{path}\0{file}\n" for path, file in sorted(self.files.items()))
        return sha256(os.fsencode(lines))


class SourceTree:
    """The directory of a local project.

    Build artifacts, version control, and published venvs, which may be made from this source,
    aren't part of it.

    Args:
        path: The directory.
        patterns: Shell patterns of further files that aren't part of it. `*` also matches `/`.
        recorded: The files that a receipt records.

    """

    def __init__(
        self, path: str, patterns: tuple[str, ...] = (), recorded: ProjectFiles | None = None
    ) -> None:
        self.path = path
        self._patterns = tuple(pattern.replace("**", "*") for pattern in patterns)
        self._outputs = frozenset(recorded.outputs if recorded else ())
        self._packaged = frozenset(recorded.packaged if recorded else ())
        self._ignored = frozenset(recorded.ignored if recorded else ())
        self._packaged_kinds = {_kind(path) for path in self._packaged}

    def snapshot(self, rules: GitIgnore | None) -> Snapshot:
        """Read all source files.

        Args:
            rules: The rules of Git. Without them, only recorded files count as ignored.

        Returns:
            The files.

        Raises:
            OSError: A file can't be read.

        """
        files: dict[str, str] = {}
        keys: dict[str, _Key] = {}
        ignored: list[str] = []
        covered, visited = (os.path.realpath(self.path),), set[str]()
        for path, status, is_ignored in self.walk(rules):
            if is_ignored:
                ignored.append(path)
                continue
            absolute = os.path.join(self.path, path)
            try:
                content = _content_digest(absolute, status.st_mode, covered, visited)
            except FileNotFoundError:
                continue  # Deleted meanwhile, as an editor does.
            files[path] = f"{_executable(status.st_mode)}\0{content}"
            keys[path] = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return Snapshot(files, keys, tuple(sorted(ignored)))

    def ignored_files(self, rules: GitIgnore) -> Iterator[str]:
        """Yield each file that Git ignores, including those in ignored directories.

        Raises:
            OSError: A directory can't be read.

        """
        for ignored, status, is_ignored in self.walk(rules):
            if is_ignored and stat.S_ISDIR(status.st_mode):
                subtree = SourceTree(os.path.join(self.path, ignored))
                yield from (f"{ignored}/{path}" for path, _, _ in subtree.walk(None))
            elif is_ignored:
                yield ignored

    def walk(self, rules: GitIgnore | None) -> Iterator[tuple[str, os.stat_result, bool]]:
        """Yield each file, and each ignored directory, with its metadata and whether it's ignored.

        A symlink to a directory counts as a file: its target is part of the digest.
        """
        for directory, subdirectories, filenames in os.walk(self.path, onerror=_raise):
            prefix = os.path.join(os.path.relpath(directory, self.path), "").removeprefix("./")
            names = source_names(directory, subdirectories, filenames, is_root=not prefix)
            for name in names:
                path = prefix + name
                status = _lstat(os.path.join(directory, name))
                if status is None or self._is_excluded(path):
                    subdirectories[:] = [other for other in subdirectories if other != name]
                    continue
                is_dir = stat.S_ISDIR(status.st_mode)
                is_ignored = self._is_ignored(path, rules, is_dir=is_dir)
                if is_dir and is_ignored:
                    subdirectories.remove(name)
                if is_ignored or not is_dir:
                    yield path, status, is_ignored

    def _is_excluded(self, path: str) -> bool:
        return path in self._outputs or any(
            fnmatch.fnmatchcase(path, pattern) for pattern in self._patterns
        )

    def _is_ignored(self, path: str, rules: GitIgnore | None, *, is_dir: bool) -> bool:
        """Check whether Git ignores a path that no build packages.

        Args:
            path: The path, relative to the project.
            rules: The rules of Git, or None to use only the recorded files.
            is_dir: Whether it is a directory.

        Returns:
            Whether it isn't source.

        """
        if path in PROJECT_FILES or path in self._packaged:
            return False
        if is_dir and any(packaged.startswith(f"{path}/") for packaged in self._packaged):
            return False
        if path in self._ignored:
            return True
        # A new file beside a packaged one, with the same extension, is probably packaged.
        if rules is None or (not is_dir and _kind(path) in self._packaged_kinds):
            return False
        return rules.ignores(path, is_dir=is_dir)


def tree_digest(path: str) -> str:
    """Return a digest of a source tree, or of one file.

    Raises:
        OSError: A file can't be read.

    """
    return project_digest(SourceTree(path), "") if os.path.isdir(path) else file_digest(path)


def project_digest(tree: SourceTree, recorded: str) -> str:
    """Return the digest of a project's source files.

    Args:
        tree: The project.
        recorded: The digest in a receipt, or an empty string. If it is still right, the rules
            of Git aren't read.

    Returns:
        The digest.

    Raises:
        OSError: A file can't be read.

    """
    if recorded and tree.snapshot(None).digest == recorded:
        return recorded
    # Imported here: a run that changes nothing doesn't need it.
    from states.venv.sources.gitignore import GitIgnore

    return tree.snapshot(GitIgnore(tree.path)).digest


def _kind(path: str) -> tuple[str, str]:
    """Return the directory and the extension of a file."""
    return os.path.dirname(path), os.path.splitext(path)[1]


def _raise(error: OSError) -> None:
    """Raise an error of `os.walk`. A directory that the current user can't list isn't source.

    Raises:
        OSError: The directory can't be read for another reason.

    """
    if not isinstance(error, (PermissionError, FileNotFoundError)):
        raise error


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None  # Deleted meanwhile, as an editor does.


def _digest_module(root: str, covered: tuple[str, ...], visited: set[str]) -> str:
    """Digest a module outside the tree.

    Args:
        root: Its directory.
        covered: Resolved paths of the trees that the digest already covers.
        visited: Resolved paths of outside modules that were digested. Extended here.

    Returns:
        The digest in hexadecimal.

    """
    lines = []
    for directory, subdirectories, filenames in os.walk(root, onerror=_raise):
        for name in source_names(directory, subdirectories, filenames, is_root=False):
            path = os.path.join(directory, name)
            status = _lstat(path)
            if status is None or stat.S_ISDIR(status.st_mode):
                continue
            with suppress(FileNotFoundError):  # Deleted meanwhile, as an editor does.
                content = _content_digest(path, status.st_mode, covered, visited)
                executable = _executable(status.st_mode)
                lines.append(f"{os.path.relpath(path, root)}\0{executable}\0{content}\n")
    return sha256(os.fsencode("".join(sorted(lines))))


def _executable(mode: int) -> str:
    return "x" if mode & 0o111 else "-"


def _content_digest(path: str, mode: int, covered: tuple[str, ...], visited: set[str]) -> str:
    if stat.S_ISLNK(mode):
        return os.readlink(path) + _outside_module(os.path.realpath(path), covered, visited)
    return file_digest(path) if stat.S_ISREG(mode) else ABSENT


def _outside_module(target: str, covered: tuple[str, ...], visited: set[str]) -> str:
    """Return the digest of the target of a symlink if it is code outside the tree.

    A build copies such a module. Directories that contain the tree, unreadable targets, and
    data such as logs and uploads aren't part of the source.

    Args:
        target: The resolved target of the symlink.
        covered: Resolved paths of the trees that the digest already covers.
        visited: Resolved paths of targets that were digested. Extended here.

    Returns:
        A digest, or an empty string if the target adds nothing.

    """
    if target in visited or any(
        os.path.commonpath((target, path)) in (target, path) for path in covered
    ):
        return ""
    visited.add(target)
    try:
        if os.path.isfile(os.path.join(target, "__init__.py")):
            return _digest_module(target, (*covered, target), visited)
        return file_digest(target) if target.endswith(".py") and os.path.isfile(target) else ""
    except PermissionError:
        return ""
