"""A digest of the files that a run left, equal for two runs that left the same state.

After an error, converge cleans up, so hundreds of points leave a few distinct states. The sweep
checks each distinct state once.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_RANDOM_NAMES: Final = re.compile(
    r"(archive-v0/|/interpreter-v\d+/\w+/|generations/\d{6}-|/\.tmp|/next-|/\.next-|/trash-|/Tm[pP]|cache/work/)[\w-]+"
)
"""Random parts of names. If a pattern is missing here, the sweep only checks more states."""

_VARYING_FILES: Final = re.compile(r"/cache/uv/(interpreter-v\d+/.*|.*\.rev)$")
"""Files in uv's cache whose content contains random names or timestamps."""

StatTree = Mapping[str, os.stat_result]


def stat_tree(home: Path) -> StatTree:
    """Return the stat result of every path below a directory."""
    return {path: os.lstat(path) for path in _below(str(home))}


def digest_tree(home: Path, before: StatTree) -> str:
    """Return a digest of everything below `home`: names, types, modes, owners, links, content.

    It doesn't contain timestamps and inodes, only whether they still equal those in `before`. For a
    symlink to a random name, it contains the digest of the target.
    """
    root = str(home)
    lines = sorted(
        repr((_mask(path.removeprefix(root)), *_attributes(path, before.get(path))))
        for path in _below(root)
    )
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _below(directory: str) -> Iterator[str]:
    for parent, directories, files in os.walk(directory):
        yield from (os.path.join(parent, name) for name in (*directories, *files))


def _attributes(path: str, before: os.stat_result | None) -> Iterator[object]:
    now = os.lstat(path)
    yield from (now.st_mode, now.st_uid, now.st_gid)
    if not stat.S_ISDIR(now.st_mode):
        yield from (now.st_nlink, now.st_size, _content(path, now.st_mode))
    if before is not None:
        yield before.st_ino == now.st_ino
        yield before.st_mtime_ns == now.st_mtime_ns
        yield before.st_ctime_ns == now.st_ctime_ns


def _content(path: str, mode: int) -> str:
    if stat.S_ISREG(mode):
        data = b"" if _VARYING_FILES.search(path) else Path(path).read_bytes()
        return hashlib.sha256(data).hexdigest()
    if not stat.S_ISLNK(mode):
        return ""
    target = os.readlink(path)
    if _mask(target) == target:
        return target
    return f"{_mask(target)} {digest_tree(Path(path).parent / target, {})}"


def _mask(path: str) -> str:
    return _RANDOM_NAMES.sub(r"\1?", path)
