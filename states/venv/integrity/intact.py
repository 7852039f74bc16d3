"""Check whether a generation is intact. A no-op run only compares the stat cache.

`lstat` of every file is nearly all the work of such a run, and one Python process uses one CPU. So
`find_matching` divides it among processes: by files, not by venvs, so that one large venv also
becomes faster.
"""

from __future__ import annotations

from contextlib import suppress

from engine.system.existence import listdir_or_empty, lstat
from engine.system.linux import cpu_count
from states.venv.integrity.receipt import is_at
from states.venv.integrity.stat_cache import part_matches, read_stats, stats_match
from states.venv.layout import LEASE, MANIFEST, METADATA, METADATA_DIR, STATS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from states.venv.integrity.manifest import Manifest
    from states.venv.integrity.receipt import Receipt
    from states.venv.integrity.stat_cache import Stats
    from states.venv.layout import Store

_MIN_PART = 1 << 18
"""Minimum number of bytes of a stat cache for each process: about 2,000 files. Comparing these
takes several times as long as a fork."""
_MAX_PROCESSES = 8
"""With more, their start takes longer than the rest of the work."""
_Identity = tuple[int, int, int]
_Part = tuple[str, _Identity, int, int]
"""A generation, the identity of its stat cache, the number of a part, and that of all parts."""


def is_intact(store: Store, receipt: Receipt, ignore: tuple[str, ...]) -> bool:
    """Compare a generation with its receipt and its manifest.

    Args:
        store: The store of the venv.
        receipt: The receipt of the generation.
        ignore: Patterns of paths that may appear and change.

    Returns:
        Whether it matches both, and its interpreter still exists unchanged.

    Raises:
        OSError: An entry can't be read.

    """
    root = store.generation(receipt.generation)
    if not is_at(receipt, root) or receipt.python.drift():
        return False
    return has_intact_files(root, receipt, ignore)


def has_intact_files(root: str, receipt: Receipt, ignore: tuple[str, ...]) -> bool:
    """Return whether the files of a generation match its manifest.

    Args:
        root: The directory of the generation.
        receipt: Its receipt.
        ignore: Patterns of paths that may appear and change.

    Returns:
        Whether neither its content nor its metadata differs.

    Raises:
        OSError: An entry can't be read.

    """
    return not metadata_drift(root) and not check_content(root, receipt, ignore)[0]


def check_content(
    root: str, receipt: Receipt, ignore: tuple[str, ...], matching: Container[str] = ()
) -> tuple[dict[str, str], Manifest]:
    """Compare the content of a generation with its manifest, through the stat cache if it matches.

    Args:
        root: The directory of the generation.
        receipt: Its receipt.
        ignore: Patterns of paths that may appear and change.
        matching: Generations whose stat cache was just compared, and matches.

    Returns:
        The condition of each drifted path, and the manifest if it was needed and is valid.

    Raises:
        OSError: An entry can't be read.

    """
    if not receipt.partly_ignored and (root in matching or stats_match(root)):
        return {}, {}
    # Imported here: in a no-op run, the stat cache matches.
    from states.venv.integrity.drift import find_drift
    from states.venv.integrity.manifest import load_manifest

    manifest = load_manifest(root, receipt.manifest)
    if manifest is None:
        return {MANIFEST: "modified"}, {}
    return find_drift(root, manifest, ignore), manifest


def metadata_drift(root: str) -> dict[str, str]:
    """Return unknown names in `.converge`, and the lease file if it is missing.

    Without the lease, converge can't find every process that uses the generation. The
    content of the other files is checked where they are read.
    """
    names = listdir_or_empty(f"{root}/{METADATA_DIR}")
    if not names:
        return {}
    paths = [f"{METADATA_DIR}/{name}" for name in names]
    drift = dict.fromkeys((path for path in paths if path not in METADATA), "unexpected")
    return drift if LEASE in paths else {**drift, LEASE: "missing"}


def find_matching(roots: Iterable[str], jobs: int) -> frozenset[str]:
    """Find the generations that equal their stat cache, if that is worth a fork.

    Args:
        roots: The directories of the generations.
        jobs: The maximum number of processes.

    Returns:
        Those that match. If it isn't worth a fork, or after an error, others may also match.

    """
    caches = dict(_stat_caches(roots))
    total = sum(size for _, _, size in caches.values())
    processes = min(jobs, cpu_count(), _MAX_PROCESSES, total // _MIN_PART)
    if processes < 2:
        return frozenset()
    # Imported here: most hosts with one small venv don't need it.
    from engine.system.forks import divide

    parts = list(_divided(caches, total, processes))
    answers = divide(_Comparison(parts), len(parts), processes)
    differing = {root for (root, *_), matches in zip(parts, answers, strict=True) if not matches}
    return frozenset(caches.keys() - differing)


def _stat_caches(roots: Iterable[str]) -> Iterator[tuple[str, _Identity]]:
    """Yield the directory of each generation, and the identity of its stat cache."""
    for root in roots:
        with suppress(OSError):  # `observe` meets the error again.
            identity = _identity(root)
            if identity is not None:
                yield root, identity


def _identity(root: str) -> _Identity | None:
    status = lstat(f"{root}/{STATS}")
    return status and (status.st_ino, status.st_ctime_ns, status.st_size)


def _divided(caches: dict[str, _Identity], total: int, processes: int) -> Iterator[_Part]:
    """Divide the caches: large parts first and small ones last, so that all processes end together.

    Args:
        caches: The identity of the stat cache of each generation.
        total: The size of all caches.
        processes: The number of processes.

    Yields:
        The parts.

    """
    remaining = total
    for root, identity in caches.items():
        size = identity[2]
        part_size = max(remaining // (2 * processes), _MIN_PART)
        parts = -(-size // part_size)
        yield from ((root, identity, part, parts) for part in range(parts))
        remaining -= size


class _Comparison:
    """Compares one part after another. The parts of a generation read its stat cache once."""

    def __init__(self, parts: list[_Part]) -> None:
        self.parts = parts
        self.root = ""
        self.stats: Stats = ([], b"")

    def __call__(self, number: int) -> bool:
        """Return whether a part matches. An error counts as a difference: `observe` meets it."""
        root, identity, part, parts = self.parts[number]
        try:
            if root != self.root:
                self.root, self.stats = root, read_stats(root)
            # Each process reads the cache by itself. If another run replaces it, parts of two
            # different caches might leave a file out.
            return part_matches(root, self.stats, part, parts) and _identity(root) == identity
        except (OSError, ValueError):
            return False
