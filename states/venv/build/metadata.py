"""What a generation records about itself, but for the receipt."""

from __future__ import annotations

import os

from engine import __version__, progress
from engine.system.files import sha256
from states.system import timestamps
from states.venv.integrity import manifest as manifests
from states.venv.integrity.drift import ignored, partly_ignored_dirs
from states.venv.integrity.receipt import Receipt
from states.venv.integrity.record_check import source_of
from states.venv.layout import LEASE, METADATA_DIR
from states.venv.resolve.selection import settings_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from states.venv.build.stages import Verified
    from states.venv.integrity.manifest import Entry, Manifest


def write_metadata(env: Verified) -> tuple[Receipt, Manifest]:
    """Write the manifest, the lock, and the stat cache of a generation.

    Returns:
        The receipt, which the last stage writes, and the manifest.

    """
    draft, job, inspection = env.draft, env.draft.job, env.inspection
    root, spec, selection = draft.root, job.spec, job.selection
    progress.step("recording the manifest")
    os.mkdir(f"{root}/{METADATA_DIR}", 0o755)
    with _open_new(root, LEASE):
        pass
    paths = [path for path, _ in manifests.walk(root) if not ignored(path, spec.ignore)]
    manifest = {path: _stat_entry(env, path) for path in paths}
    manifest["."] = manifests.stat_entry(root, ".")
    dumped = manifests.dump(manifest)
    loose = partly_ignored_dirs(paths, spec.ignore) if spec.ignore else ()
    for name, data in (("manifest.json", dumped), ("pylock.toml", selection.lock.encode())):
        with _open_new(root, f"{METADATA_DIR}/{name}") as stream:
            stream.write(data)
    with _open_new(root, f"{METADATA_DIR}/stats") as stream:
        stream.write(manifests.pack_stats(root, manifests.stat_paths(manifest, loose)))
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
        loose=loose,
    )
    return receipt, manifest


def _stat_entry(env: Verified, path: str) -> Entry:
    """Return the manifest entry of a file, with the owner that it is about to get."""
    owners, digests = env.inspection.owners, env.inspection.digests
    package = owners.get(path, "")
    if not package and path.endswith(".pyc"):
        package = owners.get(source_of(path), "")
    entry = manifests.stat_entry(env.draft.root, path, package, digests.get(path))
    uid, gid = env.draft.ids
    return entry._replace(uid=entry.uid if uid == -1 else uid, gid=entry.gid if gid == -1 else gid)


def _open_new(root: str, name: str) -> BinaryIO:
    """Open a new file that only its owner can write, even under a default ACL (acl(5))."""
    return open(f"{root}/{name}", "wb", opener=lambda path, flags: os.open(path, flags, 0o644))
