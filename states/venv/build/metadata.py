"""Write a generation's metadata, except for the receipt."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine import __version__, progress
from engine.system.existence import is_directory
from engine.system.files import sha256
from states.system import timestamps
from states.venv.build.declared_files import privileged_paths
from states.venv.build.ownership import KEEP_OWNER
from states.venv.files.state import describe
from states.venv.integrity.drift import ignored, partly_ignored_dirs
from states.venv.integrity.manifest import encode_manifest, entry_of, walk
from states.venv.integrity.pyc_paths import source_of
from states.venv.integrity.receipt import Receipt
from states.venv.integrity.stat_cache import pack_statuses, stat_paths
from states.venv.integrity.system_modules import record_modules
from states.venv.layout import LEASE, LOCKFILE, MANIFEST, METADATA_DIR, PACKAGED, STATS
from states.venv.resolve.selection import settings_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from states.venv.build.stages import Ids, Verified
    from states.venv.integrity.manifest import Entry, Manifest


def write_metadata(verified: Verified) -> tuple[Receipt, Manifest]:
    """Write the lease, the manifest, the lockfile, and the stat cache of a generation.

    Returns:
        The receipt, which `finish` writes, and the manifest.

    """
    root, inspection = verified.draft.root, verified.inspection
    spec, selection = verified.draft.context.spec, verified.draft.context.selection
    progress.step("recording manifest")
    os.makedirs(f"{root}/{METADATA_DIR}", 0o755, exist_ok=True)
    with _open_new(root, LEASE) as stream:
        stream.write(b"Each Python process that runs from here holds a shared lock on this file.\n")
    # INVARIANT: the metadata before the content, as in `update_stat_cache`.
    statuses = {
        path: entry.stat(follow_symlinks=False)
        for path, entry in walk(root)
        if not ignored(path, spec.ignore)
    }
    manifest = _manifest_entries(verified, statuses)
    partly_ignored = partly_ignored_dirs(statuses, spec.ignore) if spec.ignore else ()
    for path in (".", *_packaged_paths(root)):
        statuses[path] = os.lstat(f"{root}/{path}")
        manifest[path] = entry_of(f"{root}/{path}", statuses[path])
    dumped = encode_manifest(manifest)
    for name, data in ((MANIFEST, dumped), (LOCKFILE, selection.lock.encode())):
        with _open_new(root, name) as stream:
            stream.write(data)
    statuses[MANIFEST] = os.lstat(f"{root}/{MANIFEST}")
    cached = stat_paths(manifest, partly_ignored)
    with _open_new(root, STATS) as stream:
        stream.write(pack_statuses({path: statuses[path] for path in cached}))
    receipt = Receipt(
        generation=os.path.basename(root),
        path=root,
        created=timestamps.now(),
        converge_version=__version__,
        declared=spec.declared,
        inputs=spec.inputs,
        settings=settings_digest(spec),
        request=selection.request,
        python=selection.python,
        system_site_packages=spec.system_site_packages,
        owner=spec.owner,
        group=spec.group,
        mode=spec.mode,
        packages=inspection.packages,
        lock=sha256(selection.lock.encode()),
        manifest=sha256(dumped),
        partly_ignored=partly_ignored,
        uid=verified.draft.ids[0],
        gid=verified.draft.ids[1],
        overlaps=inspection.overlaps(),
        tolerated=tuple(sorted(inspection.tolerated)),
        projects=tuple(project.files for _, project in sorted(verified.projects.items())),
        files=tuple(
            (path, describe(file), inspection.replaced.get(path, ""))
            for path, file in sorted(spec.files.items())
        ),
        system_modules=record_modules(root, spec.system_packages),
    )
    return receipt, manifest


def _packaged_paths(root: str) -> list[str]:
    """Return the packaged content of persistent directories. It keeps its owner."""
    if not is_directory(f"{root}/{PACKAGED}"):
        return []
    return [PACKAGED, *(f"{PACKAGED}/{path}" for path, _ in walk(f"{root}/{PACKAGED}"))]


def _manifest_entries(verified: Verified, statuses: Mapping[str, os.stat_result]) -> Manifest:
    """Return the manifest entries of all files, with the owner after the smoke tests.

    Args:
        verified: The generation.
        statuses: The status of each file by path.

    Returns:
        The entries by path.

    """
    draft, owners, digests = verified.draft, verified.inspection.owners, verified.inspection.digests
    kept = privileged_paths(draft)
    progress.measure("recording", len(statuses), "files")
    manifest: Manifest = {}
    for path, status in statuses.items():
        package = owners.get(path, "")
        if not package and path.endswith(".pyc"):
            package = owners.get(source_of(path), "")
        entry = entry_of(f"{draft.root}/{path}", status, package, digests.get(path))
        manifest[path] = entry if path in kept else with_owner(entry, draft.ids)
        progress.advance()
    return manifest


def with_owner(entry: Entry, ids: Ids) -> Entry:
    """Return a manifest entry after chown(2) with these IDs."""
    if ids == KEEP_OWNER:
        return entry
    uid, gid = ids
    return entry._replace(uid=entry.uid if uid == -1 else uid, gid=entry.gid if gid == -1 else gid)


def _open_new(root: str, name: str) -> BinaryIO:
    """Open a new file with mode 0644, even if a default ACL overrides the umask (acl(5))."""
    return open(f"{root}/{name}", "wb", opener=lambda path, flags: os.open(path, flags, 0o644))
