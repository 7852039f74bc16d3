"""Write a generation's metadata, except for the receipt."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine import __version__, progress
from engine.system.existence import is_directory
from engine.system.files import sha256
from states.system import timestamps
from states.venv.build.declared_files import privileged_paths
from states.venv.files.state import describe
from states.venv.integrity.drift import ignored, partly_ignored_dirs
from states.venv.integrity.manifest import encode_manifest, stat_entry, walk
from states.venv.integrity.pyc_paths import source_of
from states.venv.integrity.receipt import Receipt
from states.venv.integrity.stat_cache import pack_stats, stat_paths
from states.venv.layout import LEASE, LOCKFILE, MANIFEST, METADATA_DIR, PACKAGED, STATS
from states.venv.resolve.selection import settings_digest

if TYPE_CHECKING:
    from collections.abc import Container
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
    paths = [path for path, _ in walk(root) if not ignored(path, spec.ignore)]
    kept = privileged_paths(verified.draft)
    progress.measure("recording", len(paths), "files")
    manifest = {path: _manifest_entry(verified, path, kept) for path in paths}
    manifest["."] = stat_entry(root, ".")
    manifest.update(_packaged_entries(root))
    dumped = encode_manifest(manifest)
    partly_ignored = partly_ignored_dirs(paths, spec.ignore) if spec.ignore else ()
    for name, data in ((MANIFEST, dumped), (LOCKFILE, selection.lock.encode())):
        with _open_new(root, name) as stream:
            stream.write(data)
    with _open_new(root, STATS) as stream:
        stream.write(pack_stats(root, stat_paths(manifest, partly_ignored)))
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
    )
    return receipt, manifest


def _packaged_entries(root: str) -> Manifest:
    """Return the entries of the packaged content of persistent directories. It keeps its owner."""
    if not is_directory(f"{root}/{PACKAGED}"):
        return {}
    paths = [PACKAGED, *(f"{PACKAGED}/{path}" for path, _ in walk(f"{root}/{PACKAGED}"))]
    return {path: stat_entry(root, path) for path in paths}


def _manifest_entry(verified: Verified, path: str, kept: Container[str]) -> Entry:
    """Return the manifest entry of a file, with the owner that it gets after the smoke tests.

    Args:
        verified: The generation.
        path: The file.
        kept: The files that keep their owner.

    Returns:
        The entry.

    """
    owners, digests = verified.inspection.owners, verified.inspection.digests
    package = owners.get(path, "")
    if not package and path.endswith(".pyc"):
        package = owners.get(source_of(path), "")
    progress.advance()
    entry = stat_entry(verified.draft.root, path, package, digests.get(path))
    return entry if path in kept else with_owner(entry, verified.draft.ids)


def with_owner(entry: Entry, ids: Ids) -> Entry:
    """Return a manifest entry after chown(2) with these IDs."""
    uid, gid = ids
    return entry._replace(uid=entry.uid if uid == -1 else uid, gid=entry.gid if gid == -1 else gid)


def _open_new(root: str, name: str) -> BinaryIO:
    """Open a new file with mode 0644, even if a default ACL overrides the umask (acl(5))."""
    return open(f"{root}/{name}", "wb", opener=lambda path, flags: os.open(path, flags, 0o644))
