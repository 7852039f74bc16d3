"""Building a generation: aside, checked, sealed, tried, flushed, and its receipt last.

Without a receipt it counts for nothing, whatever happens to be there of it.
"""

from __future__ import annotations

import os

from engine import __version__, progress
from engine.system.files import fsync_dir, sha256
from engine.system.linux import syncing
from engine.frozen import frozen
from states.system import timestamps
from states.installer import uv
from states.venv.build import bytecode, reuse
from states.venv import refresh
from states.venv.integrity import receipt as receipts
from states.venv.integrity import manifest as seals
from states.venv.build.base_env import create, assert_isolated
from states.venv.resolve.selection import settings_digest
from states.venv.integrity.drift import ignored, partly_ignored_dirs
from states.venv.build.ownership import KEEP_OWNER, chown_tree, resolve_ids, keep_persistent, link_system_packages, set_root_mode, chmod_tree
from states.venv.integrity.record_check import RecordMismatch, baseline_digests, check_records, source_of
from states.venv.build.install import assert_sources_unchanged, install
from states.venv.integrity.receipt import Receipt
from states.venv.generations.gc import unfinished, clear
from states.venv.build.smoke import smoke
from states.venv.generations.store import LEASE, METADATA_DIR, new_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from engine.settings import Settings
    from states.venv.resolve.selection import Selection
    from states.venv.build.ownership import Ids
    from states.venv.integrity.record_check import Inspection
    from states.venv.observe import Observation
    from states.venv.integrity.manifest import Entry, Manifest
    from states.venv.spec import Venv
    from states.venv.generations.store import Store


@frozen
class Job:
    """What is to be built, and where."""

    spec: Venv
    store: Store
    chosen: Selection
    settings: Settings
    work: str
    """A folder for what is needed meanwhile, in the store, so on the same file system."""


def build_generation(job: Job, views: tuple[Observation, ...]) -> Receipt:
    """Build a generation; where content proves wrong, once more from scratch, fetched anew.

    `views` are of venvs from which packages may be taken.
    """
    try:
        try:
            return _build(job, views)
        except RecordMismatch as damaged:
            progress.step(f"{damaged.message}; fetching anew")
            doubtful = damaged.packages or [one.name for one in job.chosen.packages]
            if doubtful:
                uv.clear_cache(doubtful, work=job.work, cache=job.settings.cache)
            remove_unfinished(job.store)
            return _build(job, ())
    except BaseException:
        # A full disk must not stay full because of us.
        remove_unfinished(job.store)
        raise


def remove_unfinished(store: Store) -> None:
    """Remove generations without a receipt; the folder that we work in stays."""
    for relative in unfinished(store):
        if relative.startswith("generations/"):
            clear(store, relative)


def _build(job: Job, views: tuple[Observation, ...]) -> Receipt:
    identifier = new_id(job.store)
    root = job.store.generation(identifier)
    progress.step(f"making generation {identifier}")
    os.makedirs(root, 0o700)  # an engine that was just removing the store may have been first
    with syncing(root) as flush:
        receipt = _populate(root, job, views)
        flush()
    receipts.write(receipt, root)
    fsync_dir(root)
    fsync_dir(os.path.dirname(root))
    return receipt


def _populate(root: str, job: Job, views: tuple[Observation, ...]) -> Receipt:
    """Make all of a generation but its receipt, which is returned."""
    spec, chosen = job.spec, job.chosen
    ids = resolve_ids(spec)  # first: who does not exist is told before the long work
    _create_base(root, job)
    bare = baseline_digests(root)
    digests = _install_packages(root, job, views)
    progress.step("checking every file")
    found = check_records(root, chosen.packages, bare, digests, _known_records(views))
    assert_sources_unchanged(spec, chosen)
    compiled = bytecode.compile_all(root, found, chosen.python, job.settings, job.work)
    found.digests.update(compiled)
    link_system_packages(root, spec, chosen.python, job.work)
    keep_persistent(root, spec, job.store, ids)
    chmod_tree(root)
    set_root_mode(root, spec, ids)
    receipt, seal = _write_manifest(root, spec, chosen, found, ids)
    # Before the receipt: what does not pass must not be there, finished, for the next run.
    # Before the files are their owner's, who could have us run something else.
    smoke(root, spec, job.work)
    if ids != KEEP_OWNER:
        chown_tree(root, ids)
        refresh.update_stat_cache(root, seal, receipt.loose, spec.ignore)
    return receipt


def _install_packages(root: str, job: Job, views: tuple[Observation, ...]) -> dict[str, str]:
    """Bring the packages; return the SHA-256 of each file that was hashed while it was copied."""
    wanted = job.chosen.packages
    taken, digests = reuse.copy_reusable(root, wanted, job.chosen.python, views)
    missing = [one.name for one in wanted if one.name not in taken]
    before = reuse.looks(root, digests)
    notes = f"{root}/{METADATA_DIR}"
    with open(notes, "xb"):
        pass  # a plain file, in which no package can put a receipt of its own making
    install(root, job.spec, job.chosen, missing, job.settings, job.work)
    os.unlink(notes)
    return reuse.unmodified(root, digests, before)


def _create_base(root: str, job: Job) -> None:
    """Make an empty environment, and prove that it is none but itself."""
    create(
        root,
        job.chosen.python,
        os.path.basename(job.store.published),
        job.settings.cache,
        job.work,
        system_site_packages=job.spec.system_site_packages,
    )
    assert_isolated(root, job.chosen.python, job.work)


def _write_manifest(
    root: str, spec: Venv, chosen: Selection, found: Inspection, ids: Ids
) -> tuple[Receipt, Manifest]:
    """Note the state of every file, as it shall stay; return what is to be the receipt."""
    progress.step("sealing")
    os.mkdir(f"{root}/{METADATA_DIR}", 0o755)
    with _note(root, LEASE):
        pass
    paths = [path for path, _ in seals.walk(root) if not ignored(path, spec.ignore)]
    seal = {
        path: _with_owner(
            seals.stat_entry(root, path, _owner(path, found.owners), found.digests.get(path)), ids
        )
        for path in paths
    }
    seal["."] = seals.stat_entry(root, ".")
    dumped = seals.dump(seal)
    loose = partly_ignored_dirs(paths, spec.ignore) if spec.ignore else ()
    for name, data in (("seal.json", dumped), ("pylock.toml", chosen.lock.encode())):
        with _note(root, f"{METADATA_DIR}/{name}") as stream:
            stream.write(data)
    with _note(root, f"{METADATA_DIR}/stats") as stream:
        stream.write(seals.pack_stats(root, seals.stat_paths(seal, loose)))
    receipt = Receipt(
        generation=os.path.basename(root),
        path=root,
        created=timestamps.now(),
        engine=__version__,
        declared=spec.declared,
        inputs=spec.inputs,
        settings=settings_digest(spec),
        request=chosen.request,
        python=chosen.python,
        system_site_packages=spec.system_site_packages,
        owner=spec.owner,
        group=spec.group,
        mode=spec.mode,
        packages=found.packages,
        lock=sha256(chosen.lock.encode()),
        seal=sha256(dumped),
        loose=loose,
    )
    return receipt, seal


def _note(root: str, name: str) -> BinaryIO:
    """Open a new file that others cannot write, though a default ACL asks for no umask (acl(5))."""
    return open(f"{root}/{name}", "wb", opener=lambda path, flags: os.open(path, flags, 0o644))


def _with_owner(entry: Entry, ids: Ids) -> Entry:
    """Return an entry as it is once it belongs to its owner."""
    uid, gid = ids
    return entry._replace(uid=entry.uid if uid == -1 else uid, gid=entry.gid if gid == -1 else gid)


def _owner(path: str, owners: dict[str, str]) -> str:
    if path in owners:
        return owners[path]
    return owners.get(source_of(path), "") if path.endswith(".pyc") else ""


def _known_records(views: tuple[Observation, ...]) -> dict[str, str]:
    """Return the RECORD digests that earlier generations vouch for, of wheels only."""
    return {
        f"{one.name} {one.content}": one.record
        for view in views
        if view.receipt is not None and receipts.is_protected(view.root)
        for one in view.receipt.packages
        if one.wheel
    }
