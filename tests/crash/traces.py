"""What a run left on the disk, in words that are the same for two runs that left the same.

Errors are tidied up after, so hundreds of points leave a handful of states; each is judged once.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_RANDOM: Final = re.compile(
    r"(archive-v0/|/interpreter-v\d+/\w+/|generations/\d{6}-|/\.tmp|/next-|/\.next-|/trash-|/Tm[pP]|cache/work/)[\w-]+"
)
"""Names that are chosen by chance; whatever is missing here is only judged more often."""

_TELLS_NAMES: Final = re.compile(r"/cache/uv/(interpreter-v\d+/.*|.*\.rev)$")
"""Files of uv's cache whose content tells of such names, or of their times."""

Stats = Mapping[str, os.stat_result]


def stats(home: Path) -> Stats:
    """The stat of all that is below a folder, by path."""
    return {path: os.lstat(path) for path in _below(str(home))}


def traces(home: Path, before: Stats) -> str:
    """A digest of all that is below ``home``: names, kinds, modes, owners, links, content.

    Of times and inodes it holds only whether they are still those ``before`` the run. A link to
    a name of chance stands for what it leads to.
    """
    root = str(home)
    lines = sorted(
        repr((_masked(path.removeprefix(root)), *_facts(path, before.get(path))))
        for path in _below(root)
    )
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _below(folder: str) -> Iterator[str]:
    for above, folders, files in os.walk(folder):
        yield from (os.path.join(above, name) for name in (*folders, *files))


def _facts(path: str, was: os.stat_result | None) -> Iterator[object]:
    found = os.lstat(path)
    yield from (found.st_mode, found.st_uid, found.st_gid)
    if not stat.S_ISDIR(found.st_mode):
        yield from (found.st_nlink, found.st_size, _content(path, found.st_mode))
    if was is not None:
        yield was.st_ino == found.st_ino
        yield was.st_mtime_ns == found.st_mtime_ns
        yield was.st_ctime_ns == found.st_ctime_ns


def _content(path: str, mode: int) -> str:
    if stat.S_ISREG(mode):
        told = b"" if _TELLS_NAMES.search(path) else Path(path).read_bytes()
        return hashlib.sha256(told).hexdigest()
    if not stat.S_ISLNK(mode):
        return ""
    target = os.readlink(path)
    if _masked(target) == target:
        return target
    return f"{_masked(target)} {traces(Path(path).parent / target, {})}"


def _masked(path: str) -> str:
    return _RANDOM.sub(r"\1?", path)
