"""Verify generations: read every byte, and use no cache.

Each deviation has the flags of `rpm -V`: S size, M mode, 5 content, U user, G group, L target of
a symlink, T kind of file. Otherwise it is `missing`, `unexpected`, or `not as in RECORD`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from engine import progress
from states.venv.generations.store import list_generations, live_id
from states.venv.integrity.dist_info import dist_infos, read_record
from states.venv.integrity.drift import compare_to_manifest, ignored
from states.venv.integrity.manifest import load_manifest
from states.venv.integrity.pyc_paths import is_bytecode
from states.venv.integrity.receipt import lock_text, read_receipt
from states.venv.observe import metadata_drift

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from engine.resource import Resource
    from states.venv.integrity.manifest import Entry, Manifest
    from states.venv.layout import Store

_PROGRESS_INTERVAL = 1000
"""Number of files between two progress messages."""


def verify(resource: Resource, store: Store, jobs: int, *, every: bool) -> Iterator[dict[str, Any]]:
    """Yield a report on the published generation, or on every one of a store."""
    live = live_id(store)
    for identifier in list_generations(store):
        if every or identifier == live:
            progress.step(f"verifying generation {identifier}")
            found, count, error = _verify(store.generation(identifier), resource.spec.ignore, jobs)
            yield {
                "address": resource.address,
                "path": resource.spec.path,
                "generation": identifier,
                "published": identifier == live,
                "files": count,
                "damage": [{"path": path, "flags": found[path]} for path in sorted(found)],
                "error": error,
            }


def _verify(root: str, ignore: tuple[str, ...], jobs: int) -> tuple[dict[str, str], int, str]:
    receipt = read_receipt(root)
    if receipt is None:
        return {}, 0, "its receipt is torn or missing: `converge apply` replaces it"
    if receipt.path != root:
        return {}, 0, f"it was made at `{receipt.path}`, and works only there"
    manifest = load_manifest(root, receipt.manifest)
    if manifest is None:
        return {}, 0, "its manifest doesn't match its receipt: `converge apply` replaces it"
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        # Reading and hashing release the interpreter's lock.
        changed, added = compare_to_manifest(
            root, manifest, ignore, {}, partial(_map_with_progress, pool)
        )
    found = {path: _flags(manifest[path], now) for path, now in changed.items()}
    found.update(dict.fromkeys(added, "unexpected"))
    if lock_text(root, receipt) is None:
        found[".converge/pylock.toml"] = "..5......"
    found.update(metadata_drift(root))
    found.update(_against_records(root, manifest, found, ignore))
    return found, len(manifest), ""


def _map_with_progress(
    pool: ThreadPoolExecutor, function: Callable[[str], Entry | None], paths: list[str]
) -> Iterable[Entry | None]:
    """Call a function with each path in a pool of threads, and report progress.

    Args:
        pool: The pool.
        function: The function to call.
        paths: The paths of the files.

    Yields:
        The return values, in the order of the paths.

    """
    for count, entry in enumerate(pool.map(function, paths), 1):
        if count % _PROGRESS_INTERVAL == 0:
            progress.detail(f"{count} of {len(paths)} files")
        yield entry


def _flags(recorded: Entry, now: Entry | None) -> str:
    if now is None:
        return "missing"
    differs = {
        "S": recorded.kind == "f" and now.size != recorded.size,
        "M": recorded.kind != "l" and now.mode != recorded.mode,
        "5": recorded.kind == "f" and now.content != recorded.content,
        "L": recorded.kind == "l" and now.content != recorded.content,
        "U": now.uid != recorded.uid,
        "G": now.gid != recorded.gid,
        "T": now.kind != recorded.kind,
    }
    return "".join(letter if wrong else "." for letter, wrong in differs.items())


def _against_records(
    root: str, manifest: Manifest, found: Mapping[str, str], ignore: tuple[str, ...]
) -> dict[str, str]:
    """Compare the manifest with each RECORD that is itself intact."""
    claims: dict[str, set[str]] = {}
    wrong: dict[str, str] = {}
    read = set()
    for dist_info in dist_infos(root):
        listing = f"{dist_info}/RECORD"
        if listing in found:
            continue
        try:
            rows = read_record(root, dist_info)
        except (OSError, ValueError):
            wrong[listing] = "missing"
            continue
        for path, digest in rows:
            claims.setdefault(path, set()).add(digest)
        if listing in manifest:
            read.add(manifest[listing].package)
    for path in {*claims, *manifest}.difference(found, wrong):
        if path in manifest:
            difference = _unlike(manifest[path], claims.get(path), read)
        else:
            difference = "" if ignored(path, ignore) or _beyond_link(path, manifest) else "missing"
        if difference and not is_bytecode(path):
            wrong[path] = difference
    return wrong


def _unlike(recorded: Entry, digests: set[str] | None, read: set[str]) -> str:
    """Return how an entry differs from the RECORD files. `read` contains the packages read."""
    if digests is None:
        return "unexpected" if recorded.kind == "f" and recorded.package in read else ""
    # The row of the RECORD itself has no digest.
    same = recorded.kind == "f" and (recorded.content in digests or not any(digests))
    return "" if same else "not as in RECORD"


def _beyond_link(path: str, manifest: Manifest) -> bool:
    """Return whether a path crosses a recorded symlink, such as that of a persistent directory."""
    parts = path.split("/")
    above = ("/".join(parts[:count]) for count in range(1, len(parts)))
    return any(one in manifest and manifest[one].kind == "l" for one in above)
