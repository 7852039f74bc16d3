"""Find the units, configuration files, and symlinks of this host that name a path."""

from __future__ import annotations

import errno
import os
import re
import time
from typing import TYPE_CHECKING

from engine.frozen import frozen
from engine.system.existence import proves_absence, proves_no_file, read_link
from engine.system.files import read_regular_file
from engine.system.signals import raise_if_interrupted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PLACES = (
    "/etc",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/usr/local/bin",
    "/usr/local/lib/systemd/system",
    "/usr/local/sbin",
    "/var/spool/cron",
)
"""Directories that are searched, without following symlinks."""
_MAX_SIZE = 1 << 20
"""In bytes. A larger file isn't a unit or a configuration file."""
_MAX_ENTRIES = 100_000
_MAX_DURATION_S = 30.0
_UNIT = re.compile(
    r".*/systemd/(?:system|user)/(?:[^/]+\.wants/)?"
    r"(?P<name>[^/]+\.(?:service|timer|socket|path|mount))(?:\.d/[^/]+)?"
)


@frozen
class Reference:
    """A file or symlink that names a path."""

    file: str
    line: int = 0
    """The first line that names it, from 1. 0 for a symlink."""
    target: str = ""
    """The text of the symlink."""

    @property
    def unit(self) -> str:
        """The systemd unit that the file belongs to, or an empty string."""
        match = _UNIT.fullmatch(self.file)
        return match["name"] if match and not self.target else ""


def find_references(paths: Iterable[str]) -> tuple[dict[str, list[Reference]], list[str]]:
    """Find the files and symlinks that name paths, or files below them.

    Args:
        paths: Absolute paths.

    Returns:
        The references by path, and the files and directories that couldn't be read.

    """
    patterns = {path: re.compile(_pattern(path)) for path in paths}
    references: dict[str, list[Reference]] = {path: [] for path in patterns}
    unreadable: list[str] = []
    for file, is_link in _entries(unreadable):
        if is_link:
            target = read_link(file)
            absolute = os.path.normpath(os.path.join(os.path.dirname(file), target))
            for path, listed in references.items():
                if target and f"{absolute}/".startswith(f"{path}/"):
                    listed.append(Reference(file, target=target))
            continue
        try:
            content = read_regular_file(file, _MAX_SIZE)
        except OSError as error:
            # A large file isn't a unit, and another process may have deleted the file.
            if error.errno != errno.EFBIG and not proves_no_file(error):
                unreadable.append(file)
            continue
        for path, pattern in patterns.items():
            if match := pattern.search(content):
                line = content.count(b"\n", 0, match.start()) + 1
                references[path].append(Reference(file, line))
    return references, unreadable


def _pattern(path: str) -> bytes:
    """Return a pattern for a path that isn't part of a longer name."""
    return rb"(?<![\w./])" + re.escape(os.fsencode(path)) + rb"(?![\w.-])"


def _entries(unreadable: list[str]) -> Iterator[tuple[str, bool]]:
    """Yield each file in the places, and whether it is a symlink.

    Args:
        unreadable: Receives the directories that can't be listed.

    """
    deadline, count = time.monotonic() + _MAX_DURATION_S, 0
    pending = list(reversed(PLACES))
    while pending:
        directory = pending.pop()
        raise_if_interrupted()
        try:
            with os.scandir(directory) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if not proves_absence(error):
                unreadable.append(directory)
            continue
        for entry in listed:
            count += 1
            if count > _MAX_ENTRIES or time.monotonic() > deadline:
                unreadable.append(directory)
                return
            if entry.is_symlink():
                yield entry.path, True
            elif entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry.path, False
