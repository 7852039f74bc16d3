"""A cache of the metadata of every file of a generation: `.converge/stats`.

As long as the cache matches the disk, nothing has changed: a write to a file, and a new name
in a directory, both advance a ctime. A mismatch proves nothing. A generation that was
restored from a backup has other ctimes and the same content, so the content decides.

The cache may be deleted or torn at any time; then the next run hashes every file.
"""

from __future__ import annotations

import array
import os
from itertools import chain
from operator import attrgetter

from engine.system.existence import proves_absence
from engine.system.files import read_regular_file
from states.venv.layout import MANIFEST, STATS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_key_fields = attrgetter(
    "st_mode", "st_ino", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_ctime_ns"
)
KEY_LENGTH = 7
_KEY_BYTES = 8 * KEY_LENGTH
Key = tuple[int, ...]
"""The metadata of a file that changes whenever the file does."""
_HALF_RANGE = 1 << 63
_UNRELIABLE = b"unreliable"
"""The whole cache, if metadata doesn't prove that a file is unchanged."""
_Group = tuple[bytes, list[bytes]]
"""A directory, relative to the generation, and names relative to the directory."""
Stats = tuple[list[_Group], bytes]
"""The content of a stat cache: names, and the packed keys of all names."""


def stat_paths(manifest: Iterable[str], partly_ignored: Iterable[str]) -> list[str]:
    """Return the paths to cache: those of the manifest, and the manifest file itself.

    Directories with ignored files are left out, because their times change.
    """
    skipped = set(partly_ignored)
    return [*(path for path in manifest if path not in skipped), MANIFEST]


def pack_stats(root: str, paths: Iterable[str]) -> bytes:
    """Return the bytes of `stats` for the current state of the disk.

    The format:

    * 8 bytes: the length of the names.
    * The names, in groups. Nearly all paths are below `site-packages`, so each group starts
      with its directory. NUL separates names, and two NULs separate groups.
    * Seven native 64-bit integers for each name. They are valid only on the same machine.

    Raises:
        OSError: A path is missing.

    """
    return _pack(groups := _grouped(paths), _read_keys(root, groups))


def pack_statuses(statuses: Mapping[str, os.stat_result]) -> bytes:
    """Return the bytes of `stats` for known statuses, by path relative to the generation."""
    groups = _grouped(statuses)
    keys = array.array("q")
    for directory, names in groups:
        prefix = os.fsdecode(b"" if directory == b"." else directory + b"/")
        for name in names:
            keys.extend(status_key(statuses[prefix + os.fsdecode(name)]))
    return _pack(groups, keys.tobytes())


def _pack(groups: list[_Group], keys: bytes) -> bytes:
    names = b"\0\0".join(b"\0".join((directory, *names)) for directory, names in groups)
    return len(names).to_bytes(8, "little") + names + keys


def stats_match(root: str) -> bool:
    """Return whether no path has changed since `stats` was written."""
    try:
        return part_matches(root, read_stats(root), 0, 1)
    except (OSError, ValueError):
        return False


def part_matches(root: str, stats: Stats, part: int, parts: int) -> bool:
    """Return whether no path in a part of a stat cache has changed.

    Almost all the time of a no-op run is spent here.

    Args:
        root: The directory of the generation.
        stats: Its stat cache.
        part: The number of the part, from 0.
        parts: The number of equal parts that the cache is divided into.

    Returns:
        Whether the keys of the part equal those on the disk.

    Raises:
        OSError: A path is missing.

    """
    groups, keys = stats
    count = sum(len(names) for _, names in groups)
    if len(groups) < 2 or len(keys) != count * _KEY_BYTES:
        return False
    first, end = (count * number // parts for number in (part, part + 1))
    return (
        _read_keys(root, _sliced(groups, first, end)) == keys[first * _KEY_BYTES : end * _KEY_BYTES]
    )


def unreliable_stats() -> bytes:
    """Return the bytes of `stats` for a generation whose files must always be hashed."""
    return _UNRELIABLE


def is_unreliable(root: str) -> bool:
    """Return whether the files of a generation must always be hashed."""
    try:
        return read_regular_file(f"{root}/{STATS}") == _UNRELIABLE
    except OSError:
        return False


def load_stats(root: str) -> dict[str, Key]:
    """Return the cached key of each path, or an empty dictionary if the cache is unreadable."""
    try:
        groups, keys = read_stats(root)
        numbers = array.array("q")
        numbers.frombytes(keys)
    except (OSError, ValueError):
        return {}
    paths = [
        os.path.normpath(os.path.join(directory, name))
        for directory, names in groups
        for name in names
    ]
    if len(numbers) != len(paths) * KEY_LENGTH:
        return {}
    return {
        os.fsdecode(path): tuple(numbers[index * KEY_LENGTH : (index + 1) * KEY_LENGTH])
        for index, path in enumerate(paths)
    }


def stat_key(path: str) -> Key:
    """Return the key of one path, as `load_stats` does."""
    return status_key(os.lstat(path))


def stat_keys(root: str, paths: Iterable[str]) -> dict[str, Key | None]:
    """Return the key of each path relative to a directory, or None if there is no such entry.

    Raises:
        OSError: An entry can't be examined.

    """
    keys: dict[str, Key | None] = {}
    base = os.open(root, os.O_PATH | os.O_CLOEXEC)
    try:
        for path in paths:
            try:
                # Relative to an open directory, the kernel resolves fewer path components.
                keys[path] = status_key(os.stat(path, dir_fd=base, follow_symlinks=False))
            except OSError as error:
                if not proves_absence(error):
                    raise
                keys[path] = None
    finally:
        os.close(base)
    return keys


def _grouped(paths: Iterable[str]) -> list[_Group]:
    """Separate the paths below `site-packages` from the others."""
    names = [os.fsencode(path) for path in paths]
    site = next((name for name in names if name.endswith(b"/site-packages")), b".") + b"/"
    return [
        (b".", [name for name in names if not name.startswith(site)]),
        (site[:-1], [name[len(site) :] for name in names if name.startswith(site)]),
    ]


def read_stats(root: str) -> Stats:
    """Return the content of the stat cache of a generation.

    Raises:
        OSError: It can't be read.

    """
    data = read_regular_file(f"{root}/{STATS}")
    end = 8 + int.from_bytes(data[:8], "little")
    parts = [part.split(b"\0") for part in data[8:end].split(b"\0\0")]
    return [(directory, names) for directory, *names in parts], data[end:]


def _sliced(groups: list[_Group], first: int, end: int) -> list[_Group]:
    """Select a range of names.

    Args:
        groups: All names.
        first: The position of the first name.
        end: The position after the last one.

    Returns:
        The groups with the names in the range only.

    """
    sliced, before = [], 0
    for directory, names in groups:
        sliced.append((directory, names[max(first - before, 0) : max(end - before, 0)]))
        before += len(names)
    return sliced


def _read_keys(root: str, groups: list[_Group]) -> bytes:
    """Return the packed keys of all names.

    Raises:
        OSError: A name is missing.

    """
    try:
        return _packed(root, groups, _key_fields)
    except OverflowError:
        return _packed(root, groups, status_key)


def status_key(status: os.stat_result) -> Key:
    """Return a key whose numbers fit into signed 64 bits.

    An inode number may use the highest bit (overlayfs with `xino`), and a time may be
    after 2262.
    """
    key: Key = _key_fields(status)
    if min(key) >= -_HALF_RANGE and max(key) < _HALF_RANGE:
        return key
    return tuple((number + _HALF_RANGE) % (2 * _HALF_RANGE) - _HALF_RANGE for number in key)


def _packed(root: str, groups: list[_Group], key_of: Callable[[os.stat_result], Key]) -> bytes:
    numbers = array.array("q")
    for directory, names in groups:
        base = os.open(os.path.join(os.fsencode(root), directory), os.O_PATH | os.O_CLOEXEC)
        try:
            # Relative to an open directory, the kernel resolves fewer path components.
            stats = (os.stat(name, dir_fd=base, follow_symlinks=False) for name in names)
            numbers.extend(chain.from_iterable(map(key_of, stats)))
        finally:
            os.close(base)
    return numbers.tobytes()
