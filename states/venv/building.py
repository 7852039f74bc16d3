"""Building a generation: aside, checked, sealed, tried, flushed, and its receipt last.

Without a receipt it counts for nothing, whatever happens to be there of it.
"""

from __future__ import annotations

import os

from engine import __version__, progress
from engine.files import flush_folder, sha256
from engine.syscalls import flushing
from engine.value import value
from states import moment, uv
from states.venv import bytecode, donors, memory
from states.venv import receipt as receipts
from states.venv import seal as seals
from states.venv.bare import create, prove
from states.venv.choice import settings_digest
from states.venv.damage import ignored, loose_folders
from states.venv.extras import (
    NOBODY,
    give,
    ids_of,
    keep_persistent,
    link_system_packages,
    open_folder,
    set_modes,
)
from states.venv.inspection import Damaged, bare_digests, inspect, source_of
from states.venv.installing import changed_meanwhile, install
from states.venv.receipt import Receipt
from states.venv.retiring import abandoned, clear
from states.venv.smoke import smoke
from states.venv.store import LEASE, NOTES, new_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from engine.settings import Settings
    from states.venv.choice import Choice
    from states.venv.extras import Ids
    from states.venv.inspection import Inspection
    from states.venv.observation import View
    from states.venv.seal import Entry, Seal
    from states.venv.spec import Venv
    from states.venv.store import Store


@value
class Job:
    """What is to be built, and where."""

    spec: Venv
    store: Store
    chosen: Choice
    settings: Settings
    work: str
    """A folder for what is needed meanwhile, in the store, so on the same file system."""


def built(job: Job, views: tuple[View, ...]) -> Receipt:
    """Build a generation; where content proves wrong, once more from scratch, fetched anew.

    `views` are of venvs from which packages may be taken.
    """
    try:
        try:
            return _build(job, views)
        except Damaged as damaged:
            progress.step(f"{damaged.message}; fetching anew")
            doubtful = damaged.packages or [one.name for one in job.chosen.packages]
            if doubtful:
                uv.forget(doubtful, work=job.work, cache=job.settings.cache)
            abandon(job.store)
            return _build(job, ())
    except BaseException:
        # A full disk must not stay full because of us.
        abandon(job.store)
        raise


def abandon(store: Store) -> None:
    """Remove generations without a receipt; the folder that we work in stays."""
    for relative in abandoned(store):
        if relative.startswith("generations/"):
            clear(store, relative)


def _build(job: Job, views: tuple[View, ...]) -> Receipt:
    identifier = new_id(job.store)
    root = job.store.generation(identifier)
    progress.step(f"making generation {identifier}")
    os.makedirs(root, 0o700)  # an engine that was just removing the store may have been first
    with flushing(root) as flush:
        receipt = _filled(root, job, views)
        flush()
    receipts.write(receipt, root)
    flush_folder(root)
    flush_folder(os.path.dirname(root))
    return receipt


def _filled(root: str, job: Job, views: tuple[View, ...]) -> Receipt:
    """Make all of a generation but its receipt, which is returned."""
    spec, chosen = job.spec, job.chosen
    ids = ids_of(spec)  # first: who does not exist is told before the long work
    _begin(root, job)
    bare = bare_digests(root)
    digests = _brought(root, job, views)
    progress.step("checking every file")
    found = inspect(root, chosen.packages, bare, digests, _anchors(views))
    changed_meanwhile(spec, chosen)
    compiled = bytecode.compile_all(root, found, chosen.python, job.settings, job.work)
    found.digests.update(compiled)
    link_system_packages(root, spec, chosen.python, job.work)
    keep_persistent(root, spec, job.store, ids)
    set_modes(root)
    open_folder(root, spec, ids)
    receipt, seal = _sealed(root, spec, chosen, found, ids)
    # Before the receipt: what does not pass must not be there, finished, for the next run.
    # Before the files are their owner's, who could have us run something else.
    smoke(root, spec, job.work)
    if ids != NOBODY:
        give(root, ids)
        memory.note(root, seal, receipt.loose, spec.ignore)
    return receipt


def _brought(root: str, job: Job, views: tuple[View, ...]) -> dict[str, str]:
    """Bring the packages; return the SHA-256 of each file that was hashed while it was copied."""
    wanted = job.chosen.packages
    taken, digests = donors.take(root, wanted, job.chosen.python, views)
    missing = [one.name for one in wanted if one.name not in taken]
    before = donors.looks(root, digests)
    notes = f"{root}/{NOTES}"
    with open(notes, "xb"):
        pass  # a plain file, in which no package can put a receipt of its own making
    install(root, job.spec, job.chosen, missing, job.settings, job.work)
    os.unlink(notes)
    return donors.left_alone(root, digests, before)


def _begin(root: str, job: Job) -> None:
    """Make an empty environment, and prove that it is none but itself."""
    create(
        root,
        job.chosen.python,
        os.path.basename(job.store.published),
        job.settings.cache,
        job.work,
        system_site_packages=job.spec.system_site_packages,
    )
    prove(root, job.chosen.python, job.work)


def _sealed(
    root: str, spec: Venv, chosen: Choice, found: Inspection, ids: Ids
) -> tuple[Receipt, Seal]:
    """Note the state of every file, as it shall stay; return what is to be the receipt."""
    progress.step("sealing")
    os.mkdir(f"{root}/{NOTES}", 0o755)
    with _note(root, LEASE):
        pass
    paths = [path for path, _ in seals.walk(root) if not ignored(path, spec.ignore)]
    seal = {
        path: _given(
            seals.entry(root, path, _owner(path, found.owners), found.digests.get(path)), ids
        )
        for path in paths
    }
    seal["."] = seals.entry(root, ".")
    dumped = seals.dump(seal)
    loose = loose_folders(paths, spec.ignore) if spec.ignore else ()
    for name, data in (("seal.json", dumped), ("pylock.toml", chosen.lock.encode())):
        with _note(root, f"{NOTES}/{name}") as stream:
            stream.write(data)
    with _note(root, f"{NOTES}/stats") as stream:
        stream.write(seals.stats(root, seals.watched(seal, loose)))
    receipt = Receipt(
        generation=os.path.basename(root),
        path=root,
        created=moment.now(),
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


def _given(entry: Entry, ids: Ids) -> Entry:
    """Return an entry as it is once it belongs to its owner."""
    uid, gid = ids
    return entry._replace(uid=entry.uid if uid == -1 else uid, gid=entry.gid if gid == -1 else gid)


def _owner(path: str, owners: dict[str, str]) -> str:
    if path in owners:
        return owners[path]
    return owners.get(source_of(path), "") if path.endswith(".pyc") else ""


def _anchors(views: tuple[View, ...]) -> dict[str, str]:
    """Return the RECORD digests that earlier generations vouch for, of wheels only."""
    return {
        f"{one.name} {one.content}": one.record
        for view in views
        if view.receipt is not None and receipts.protected(view.root)
        for one in view.receipt.packages
        if one.wheel
    }
