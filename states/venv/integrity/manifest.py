"""Every file of a generation, as it was when it was finished.

The seal itself (`manifest.json`) holds path, kind, mode, owner, size and SHA-256 of each
entry. Beside it lies `stats`, a mere memory of how each entry's stat looked, made for
speed: while that agrees, nothing has been touched since, for whatever touches a file or
adds a name to a folder moves a ctime. Where it disagrees, content decides: a venv that
was restored from a backup has not drifted.
"""

from __future__ import annotations

import array
import errno
import json
import os
import stat
from collections import namedtuple
from itertools import chain
from operator import attrgetter

from engine.system.files import iter_chunks, read_regular_file, sha256, sha256_of_file
from states.venv.layout import METADATA_DIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

_fields = attrgetter(
    "st_mode", "st_ino", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_ctime_ns"
)
_WIDTH = 7
_HALF = 1 << 63
INTACT = "intact"
"""What a plan says a damaged file is to become."""


Entry = namedtuple("Entry", "kind mode uid gid size content package")  # noqa: PYI024 - no typing
"""One sealed file, folder or symlink. There are ten thousand of them in a venv.

`kind` is `f`, `d` or `l`; `content` a SHA-256, a link's target, or empty; `package` the
one that brought it, empty for what belongs to the environment.
"""

Manifest = dict[str, Entry]
"""Entries by path, relative to the generation; the generation's own folder is `.`."""
_Group = tuple[bytes, list[bytes]]
"""A folder, relative to the generation, and names relative to it."""


def dump(seal: Mapping[str, Entry]) -> bytes:
    """Return the bytes of `manifest.json`: one row an entry, sorted by path."""
    rows = [[path, *entry] for path, entry in sorted(seal.items())]
    return json.dumps(rows, separators=(",", ":")).encode()


def load(root: str, digest: str) -> Manifest | None:
    """Read the seal of a generation; `None` if it is not what its receipt says."""
    try:
        data = read_regular_file(f"{root}/{METADATA_DIR}/manifest.json")
    except OSError:
        return None
    if sha256(data) != digest:
        return None
    return {row[0]: Entry._make(row[1:]) for row in json.loads(data)}


def stat_paths(seal: Iterable[str], loose: Iterable[str]) -> list[str]:
    """Return the paths whose stat is remembered: all but loose folders, and the seal itself."""
    skipped = set(loose)
    return [*(path for path in seal if path not in skipped), f"{METADATA_DIR}/manifest.json"]


def pack_stats(root: str, paths: Iterable[str]) -> bytes:
    """Return the bytes of `stats`.

    The length of the names in 8 bytes; the names, those below one folder together, in which
    nearly all lie: the folder, the names in it, all joined by NUL, and two NULs before the
    next folder; and seven numbers for each name: native 64-bit integers, good only on the
    machine that wrote them.
    """
    groups = _grouped(paths)
    joined = b"\0\0".join(b"\0".join((folder, *names)) for folder, names in groups)
    return len(joined).to_bytes(8, "little") + joined + _look(root, groups)


def stats_match(root: str) -> bool:
    """Tell whether nothing was touched since `stats` was written: the whole of a no-op."""
    try:
        groups, numbers = _read_stats(root)
        return len(groups) > 1 and _look(root, groups) == numbers
    except (OSError, ValueError):
        return False


def load_stats(root: str) -> dict[str, tuple[int, ...]]:
    """Return what `stats` says of each path; empty if it cannot be read."""
    try:
        groups, numbers = _read_stats(root)
        values = array.array("q")
        values.frombytes(numbers)
    except (OSError, ValueError):
        return {}
    paths = [
        os.path.normpath(os.path.join(folder, name)) for folder, names in groups for name in names
    ]
    if len(values) != len(paths) * _WIDTH:
        return {}
    return {
        os.fsdecode(path): tuple(values[index * _WIDTH : (index + 1) * _WIDTH])
        for index, path in enumerate(paths)
    }


def _grouped(paths: Iterable[str]) -> list[_Group]:
    """Part what lies in `site-packages` from the rest."""
    names = [os.fsencode(path) for path in paths]
    site = next((name for name in names if name.endswith(b"/site-packages")), b".") + b"/"
    return [
        (b".", [name for name in names if not name.startswith(site)]),
        (site[:-1], [name[len(site) :] for name in names if name.startswith(site)]),
    ]


def _read_stats(root: str) -> tuple[list[_Group], bytes]:
    data = read_regular_file(f"{root}/{METADATA_DIR}/stats")
    end = 8 + int.from_bytes(data[:8], "little")
    parts = [part.split(b"\0") for part in data[8:end].split(b"\0\0")]
    return [(folder, names) for folder, *names in parts], data[end:]


def stat_key(path: str) -> tuple[int, ...]:
    """Return the numbers of one path, as `stats` holds them."""
    return _wrapped(os.lstat(path))


def _look(root: str, groups: list[_Group]) -> bytes:
    """Return the numbers of all names; raises `OSError` if one is missing."""
    try:
        return _packed(root, groups, _fields)
    except OverflowError:
        return _packed(root, groups, _wrapped)


def _wrapped(found: os.stat_result) -> tuple[int, ...]:
    """Return the numbers of a stat, each brought into 64 bits with a sign.

    An inode number may have the highest bit (overlayfs with `xino`), a time lie past 2262.
    """
    return tuple((number + _HALF) % (2 * _HALF) - _HALF for number in _fields(found))


def _packed(
    root: str, groups: list[_Group], numbers_of: Callable[[os.stat_result], tuple[int, ...]]
) -> bytes:
    numbers = array.array("q")
    for folder, names in groups:
        base = os.open(os.path.join(os.fsencode(root), folder), os.O_PATH | os.O_CLOEXEC)
        try:
            # Relative to an open folder, the kernel has less to walk.
            found = (os.stat(name, dir_fd=base, follow_symlinks=False) for name in names)
            numbers.extend(chain.from_iterable(map(numbers_of, found)))
        finally:
            os.close(base)
    return numbers.tobytes()


def stat_entry(
    root: str,
    path: str,
    package: str = "",
    content: str | None = None,
    sealed: Entry | None = None,
) -> Entry:
    """Describe one path as it is now; `content` saves hashing what was just hashed.

    A file of another size than was `sealed` is another one, and not read: it may have no end.
    """
    whole = os.path.join(root, path)
    found = os.lstat(whole)
    if stat.S_ISLNK(found.st_mode):
        kind, inside, size = "l", os.readlink(whole), 0
    elif stat.S_ISDIR(found.st_mode):
        kind, inside, size = "d", "", 0
    elif stat.S_ISREG(found.st_mode):
        kind, inside, size = "f", content or "", found.st_size
        if content is None and (sealed is None or sealed.size == size):
            inside = file_digest(whole, size)
    else:
        kind, inside, size = "o", "", 0
    mode = stat.S_IMODE(found.st_mode)
    return Entry(kind, mode, found.st_uid, found.st_gid, size, inside, package)


def file_digest(path: str, size: int) -> str:
    """Return the SHA-256 of the first `size` bytes of a file."""
    return sha256_of_file(iter_chunks(path, size))


def walk(root: str) -> Iterable[tuple[str, Any]]:
    """Yield the relative path and the directory entry of all below a folder, but our notes.

    Nor what lies deeper than a path can name: no installer put it there. What goes away
    meanwhile is not there: whoever may write to what is ignored does not wait for us.
    """
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            listed = os.scandir(os.path.join(root, prefix))
        except OSError as error:
            if prefix and error.errno in (errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR):
                continue
            raise
        with listed as entries:
            for one in entries:
                path = prefix + one.name
                if path == METADATA_DIR:
                    continue
                yield path, one
                if one.is_dir(follow_symlinks=False):
                    pending.append(path + "/")
