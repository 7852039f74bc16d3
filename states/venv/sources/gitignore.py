"""The files that Git ignores: rules in `.gitignore` files and in `.git/info/exclude`.

Format: gitignore(5). The rules of a user, in `core.excludesFile`, differ between hosts, so they
have no effect. A run that finds no change doesn't import this module.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

if TYPE_CHECKING:
    import re


class GitIgnore:
    """The rules for the files below one directory, read when they are needed first.

    Args:
        root: The directory. If it is part of a Git work tree, the rules above it count.

    """

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root)
        self._patterns: dict[str, list[GitIgnoreSpecPattern]] = {}
        self._top = _work_tree(self._root) or self._root
        # A project may be in an ignored directory, such as `vendor` or a build directory.
        if self._ignores_root():
            self._top = self._root

    def ignores(self, path: str, *, is_dir: bool) -> bool:
        """Return whether Git ignores a path relative to the root.

        A path in an ignored directory is ignored, but only the caller knows that.
        """
        return self._verdict(os.path.join(self._root, path), is_dir=is_dir)

    def _ignores_root(self) -> bool:
        path = self._root
        while path != self._top:
            if self._verdict(path, is_dir=True):
                return True
            path = os.path.dirname(path)
        return False

    def _verdict(self, absolute: str, *, is_dir: bool) -> bool:
        """Return the verdict on a path, whose closest directory with a matching rule decides."""
        directory = os.path.dirname(absolute)
        while True:
            file = os.path.join(directory, ".gitignore")
            verdict = self._match(file, directory, absolute, is_dir)
            if verdict is not None:
                return verdict
            if directory == self._top:
                file = os.path.join(_git_directory(self._top), "info/exclude")
                return bool(self._match(file, self._top, absolute, is_dir))
            directory = os.path.dirname(directory)

    def _match(self, file: str, base: str, absolute: str, is_dir: bool) -> bool | None:
        """Apply the rules in a file to a path.

        Args:
            file: The file with rules.
            base: The directory that they are relative to.
            absolute: The path.
            is_dir: Whether it is a directory.

        Returns:
            Whether they ignore it. None if no rule matches.

        """
        if file not in self._patterns:
            self._patterns[file] = _read(file)
        if not self._patterns[file]:
            return None
        relative = os.path.relpath(absolute, base) + ("/" if is_dir else "")
        for pattern in reversed(self._patterns[file]):
            match = pattern.regex.match(relative) if pattern.regex else None
            # The library also matches everything in a matching directory. Here, that directory
            # isn't ignored, because a later rule includes it.
            if match and not 0 < _directory_end(match) < len(relative):
                return pattern.include
        return None


def _directory_end(match: re.Match[str]) -> int:
    """Return the end of the part that a pattern matched as a directory, or -1."""
    return match.end("ps_d") if "ps_d" in match.re.groupindex else -1


def _read(file: str) -> list[GitIgnoreSpecPattern]:
    """Return the patterns in a file, without those that Git can't use either."""
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as stream:
            lines = stream.read().split("\n")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return []
    patterns = []
    for line in lines:
        with suppress(ValueError):
            pattern = GitIgnoreSpecPattern(line.removesuffix("\r"))
            if pattern.include is not None:
                patterns.append(pattern)
    return patterns


def _work_tree(path: str) -> str | None:
    """Return the root of the Git work tree that contains a directory, or None."""
    while not os.path.lexists(os.path.join(path, ".git")):
        parent = os.path.dirname(path)
        if parent == path:
            return None
        path = parent
    return path


def _git_directory(top: str) -> str:
    """Return the directory with `info/exclude`, which several work trees may share."""
    git = os.path.join(top, ".git")
    # In an additional work tree and in a submodule, `.git` is a file.
    git = os.path.join(top, _read_line(git).removeprefix("gitdir:").strip() or ".git")
    return os.path.join(git, _read_line(os.path.join(git, "commondir")))


def _read_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.readline().strip()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""
