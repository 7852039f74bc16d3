"""Verify generations: read every byte, and use no cache.

Each difference has the flags of `rpm -V`: S size, M mode, 5 content, U user, G group, L target of
a symlink, T kind of file, P extended attributes. Otherwise it is `missing`, `unexpected`, or
`not as in RECORD`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import progress
from engine.system.forks import divide
from engine.system.linux import cpu_count
from states.venv.files.paths import expand
from states.venv.generations.store import list_generations, live_id
from states.venv.integrity.dist_info import dist_infos, read_record
from states.venv.integrity.drift import added_paths, changed_entries, ignored
from states.venv.integrity.intact import metadata_drift
from states.venv.integrity.manifest import Entry, load_manifest
from states.venv.integrity.pyc_paths import is_bytecode
from states.venv.integrity.receipt import is_at, lock_text, read_receipt
from states.venv.integrity.record_hash import has_digest
from states.venv.layout import LOCKFILE

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping
    from typing import Any

    from engine.resource import Resource
    from states.venv.integrity.manifest import Manifest
    from states.venv.layout import Store

_PART_COST = 1 << 22
"""The number of bytes that one process reads before it takes the next part."""
_FILE_COST = 1 << 14
"""The number of bytes that take as long to hash as it takes to open a file."""
_PROGRESS_INTERVAL = 1000
"""Number of files between two progress messages."""


def verify(resource: Resource, store: Store, jobs: int, *, every: bool) -> Iterator[dict[str, Any]]:
    """Verify the live generation of a venv, or all of its generations. This only reads.

    Args:
        resource: The declared venv.
        store: Its store.
        jobs: The maximum number of processes. No more than the number of CPUs are used.
        every: Whether to also verify the previous generations.

    Yields:
        A report on each generation, in the form that `converge verify --json` prints.

    """
    live = live_id(store)
    for identifier in list_generations(store):
        if every or identifier == live:
            progress.step(f"verifying generation {identifier}")
            differences, count, error = _verify(
                store.generation(identifier), resource.spec.ignore, jobs
            )
            yield {
                "address": resource.address,
                "path": resource.spec.path,
                "generation": identifier,
                "published": identifier == live,
                "files": count,
                "damage": [{"path": path, "flags": differences[path]}
                           for path in sorted(differences)],
                "error": error,
            }  # fmt: skip


def _verify(root: str, ignore: tuple[str, ...], jobs: int) -> tuple[dict[str, str], int, str]:
    """Verify one generation.

    Args:
        root: The directory of the generation.
        ignore: Patterns of paths that may appear.
        jobs: The maximum number of processes.

    Returns:
        The flags of each path that differs, the number of entries in the manifest, and the
        reason why the generation can't be verified, or an empty string.

    """
    receipt = read_receipt(root)
    if receipt is None:
        return {}, 0, "its receipt is torn or missing: `converge apply` replaces it"
    if not is_at(receipt, root):
        return {}, 0, f"it was made at `{receipt.path}`, and works only there"
    manifest = load_manifest(root, receipt.manifest)
    if manifest is None:
        return {}, 0, "its manifest doesn't match its receipt: `converge apply` replaces it"
    replacing = {expand(path, root) for path, _, package in receipt.files if package}
    accepted = {*receipt.tolerated, *replacing}
    scan = _Scan(root, manifest, ignore, accepted)
    changed, added, mismatches = scan.run(min(jobs, cpu_count()))
    differences = {path: _flags(manifest[path], current) for path, current in changed.items()}
    differences.update(dict.fromkeys(added, "unexpected"))
    if lock_text(root, receipt) is None:
        differences[LOCKFILE] = "..5....."
    differences.update(metadata_drift(root))
    if differences or mismatches is None:  # They were compared as if no file had drifted.
        mismatches = _compare_to_records(root, manifest, {*differences, *accepted}, ignore)
    return {**differences, **mismatches}, len(manifest), ""


class _Scan:
    """The work on one generation, in parts of about equal cost for several processes.

    The records are compared at the same time as the files, as if no file had drifted.
    """

    def __init__(
        self, root: str, manifest: Manifest, ignore: tuple[str, ...], accepted: Container[str]
    ) -> None:
        self.root = root
        self.manifest = manifest
        self.ignore = ignore
        self.accepted = accepted
        self.parts = list(_divided(manifest))

    def run(
        self, processes: int
    ) -> tuple[dict[str, Entry | None], list[str], dict[str, str] | None]:
        """Return the changed entries, the added paths, and the differences from the records."""
        mismatches, added, *parts = divide(self._do, 2 + len(self.parts), processes, self._report)
        changed = {path: entry and Entry(*entry) for part in parts for path, entry in part}
        return changed, added, mismatches

    def _do(self, number: int) -> Any:
        """Do one part. The first two take long, so they are begun first."""
        if number == 0:
            try:
                return _compare_to_records(self.root, self.manifest, self.accepted, self.ignore)
            except OSError:
                return None  # The RECORD may have drifted. If it hasn't, the caller repeats this.
        if number == 1:
            return added_paths(self.root, self.manifest, self.ignore)
        paths = self.parts[number - 2]
        changed = changed_entries(self.root, self.manifest, paths, {})
        return [(path, entry and tuple(entry)) for path, entry in changed.items()]

    def _report(self, number: int) -> None:
        """Report progress, whenever another thousand files are read."""
        done, before = (sum(map(len, self.parts[: max(n, 0)])) for n in (number - 2, number - 3))
        count = done - done % _PROGRESS_INTERVAL
        if count > before:
            progress.detail(f"{count} of {len(self.manifest)} files")


def _divided(manifest: Manifest) -> Iterator[list[str]]:
    paths: list[str] = []
    cost = 0
    for path, entry in manifest.items():
        paths.append(path)
        cost += entry.size + _FILE_COST
        if cost >= _PART_COST:
            yield paths
            paths, cost = [], 0
    yield paths


def _flags(recorded: Entry, current: Entry | None) -> str:
    if current is None:
        return "missing"
    differs = {
        "S": recorded.kind == "f" and current.size != recorded.size,
        "M": recorded.kind != "l" and current.mode != recorded.mode,
        "5": recorded.kind == "f" and current.content != recorded.content,
        "L": recorded.kind == "l" and current.content != recorded.content,
        "U": current.uid != recorded.uid,
        "G": current.gid != recorded.gid,
        "T": current.kind != recorded.kind,
        "P": current.attributes != recorded.attributes,
    }
    return "".join(letter if is_different else "." for letter, is_different in differs.items())


def _compare_to_records(
    root: str, manifest: Manifest, drifted: Container[str], ignore: tuple[str, ...]
) -> dict[str, str]:
    """Compare the manifest with each RECORD that is itself intact.

    Args:
        root: The directory of the generation.
        manifest: Its manifest.
        drifted: The paths that differ from the manifest, or that may differ from their RECORD.
            They aren't compared.
        ignore: Patterns of paths that may be missing.

    Returns:
        The difference of each path that doesn't match a RECORD.

    """
    digests: dict[str, set[str]] = {}
    differences: dict[str, str] = {}
    packages_read = set()
    for dist_info in dist_infos(root):
        record = f"{dist_info}/RECORD"
        if record in drifted:
            continue
        try:
            rows = read_record(root, dist_info)
        except ValueError:
            differences[record] = "missing"
            continue
        for path, digest in rows:
            digests.setdefault(path, set()).add(digest)
        if record in manifest:
            packages_read.add(manifest[record].package)
    for path in {*digests, *manifest}:
        if path in drifted or path in differences or is_bytecode(path):
            continue
        if path in manifest:
            listed = _as_sha256(f"{root}/{path}", manifest[path], digests.get(path))
            difference = _record_difference(manifest[path], listed, packages_read)
        else:
            is_expected = ignored(path, ignore) or _is_behind_symlink(path, manifest)
            difference = "" if is_expected else "missing"
        if difference:
            differences[path] = difference
    return differences


def _as_sha256(path: str, recorded: Entry, digests: set[str] | None) -> set[str] | None:
    """Replace each stronger hash of a file that matches it by the SHA-256 in the manifest.

    Args:
        path: The file.
        recorded: Its entry in the manifest, which it matches.
        digests: The digests in the rows for the path, or None.

    Returns:
        The digests.

    """
    stronger = {digest for digest in digests or () if ":" in digest}
    if digests is None or recorded.kind != "f" or not stronger:
        return digests
    is_same = any(has_digest(path, digest) for digest in stronger)
    return (digests - stronger) | ({recorded.content} if is_same else {"another"})


def _record_difference(recorded: Entry, digests: set[str] | None, packages_read: set[str]) -> str:
    """Compare the manifest entry of a path with the rows of the RECORD files.

    Args:
        recorded: The entry in the manifest.
        digests: The digests in the rows for the path. None if no RECORD lists it.
        packages_read: The packages whose RECORD was read.

    Returns:
        The difference, or an empty string.

    """
    if digests is None:
        is_unlisted = recorded.kind == "f" and recorded.package in packages_read
        return "unexpected" if is_unlisted else ""
    # The row of the RECORD itself has no digest.
    is_same = recorded.kind == "f" and (recorded.content in digests or not any(digests))
    return "" if is_same else "not as in RECORD"


def _is_behind_symlink(path: str, manifest: Mapping[str, Entry]) -> bool:
    """Return whether a path crosses a recorded symlink, such as that of a persistent directory."""
    parts = path.split("/")
    parents = ("/".join(parts[:count]) for count in range(1, len(parts)))
    return any(parent in manifest and manifest[parent].kind == "l" for parent in parents)
