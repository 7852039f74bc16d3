"""Bringing a venv about: build aside, check, flush, receipt, and one rename.

Whatever happens before the rename is invisible; whatever is left of it after a kill has
no receipt, counts for nothing, and is removed by the next run.
"""

from __future__ import annotations

import os

from engine import __version__, progress
from engine.files import flush_folder, flushing, sha256
from engine.value import replace
from states import moment, uv
from states.venv import bytecode, donors, hold, memory, room
from states.venv import receipt as receipts
from states.venv import seal as seals
from states.venv.bare import create, prove
from states.venv.choice import settings_digest, shaped
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
from states.venv.observation import sealed_well
from states.venv.receipt import Receipt
from states.venv.retiring import clear, quarantine, retirable, retire, stuck
from states.venv.smoke import smoke
from states.venv.store import (
    LEASE,
    NOTES,
    demolish,
    generations,
    leftovers,
    new_id,
    publish,
    withdraw,
)
from states.workplace import workplace_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.settings import Settings
    from states.venv.choice import Choice
    from states.venv.extras import Ids
    from states.venv.inspection import Inspection
    from states.venv.observation import View
    from states.venv.seal import Entry, Seal
    from states.venv.spec import Venv
    from states.venv.store import Store


def make(
    spec: Venv, store: Store, chosen: Choice, settings: Settings, views: tuple[View, ...]
) -> Choice:
    """Publish a generation that is what was chosen; return the choice with versions filled in.

    `views` are those of this venv, first, and of others that packages may be taken from.
    The lock of the store must be held.
    """
    recover(store)
    receipt = _at_hand(spec, views[0], chosen)
    if receipt is None:
        with workplace_in(store.root) as work:
            receipt = _built(spec, store, chosen, settings, views, work)
    progress.step("publishing")
    if views[0].damaged and views[0].receipt and views[0].receipt != receipt:
        quarantine(store, views[0].receipt.generation)
    publish(store, receipt.generation)
    hold.release(store)
    retire(store, retirable(store, spec.keep))
    return replace(chosen, packages=receipt.packages)


def remove(store: Store) -> None:
    """Take a venv away: first the name, then what it led to."""
    withdraw(store)
    # Killed in here, what is left of the store is still to be removed, and the next run does.
    try:
        demolish(store)
    except OSError as error:
        # It names a file by its last part only.
        raise type(error)(error.errno, error.strerror, store.root) from error


def recover(store: Store) -> None:
    """Remove what an interrupted run left; asks nobody, and may itself be interrupted."""
    for relative in leftovers(store):
        progress.step(f"removing {relative}, left by an interrupted run")
        clear(store, relative)
    for name in stuck(store):
        clear(store, name)


def _at_hand(spec: Venv, view: View, chosen: Choice) -> Receipt | None:
    """Find a finished generation that is just what is wanted, and still what its seal says."""
    store = view.store
    for identifier in reversed(generations(store)):
        root = store.generation(identifier)
        receipt = receipts.read(root) if receipts.protected(root) else None
        if receipt is None or not _fits(receipt, spec, chosen):
            continue
        looked_at = view.receipt is not None and view.receipt.generation == identifier
        whole = not view.damaged if looked_at else sealed_well(store, receipt, spec.ignore)
        if whole:
            return receipt
    return None


def _fits(receipt: Receipt, spec: Venv, chosen: Choice) -> bool:
    have = {(one.name, one.origin, one.content) for one in receipt.packages}
    want = {(one.name, one.origin, one.content) for one in chosen.packages}
    return (
        have == want
        and shaped(spec, receipt)
        and receipt.python.executable == chosen.python.executable
        and receipt.python.digest == chosen.python.digest
    )


def _built(
    spec: Venv,
    store: Store,
    chosen: Choice,
    settings: Settings,
    views: tuple[View, ...],
    work: str,
) -> Receipt:
    """Build a generation; where content proves wrong, once more from scratch, fetched anew."""
    try:
        try:
            return _build(spec, store, chosen, settings, views, work)
        except Damaged as damaged:
            progress.step(f"{damaged.message}; fetching anew")
            doubtful = damaged.packages or [one.name for one in chosen.packages]
            if doubtful:
                uv.forget(doubtful, work=work, cache=settings.cache)
            _abandon(store)
            return _build(spec, store, chosen, settings, (), work)
    except BaseException as error:
        # A full disk must not stay full because of us.
        _abandon(store)
        full = room.full(error, store, chosen, settings, views)
        if full is not None:
            raise full from error
        raise


def _abandon(store: Store) -> None:
    """Remove the unfinished generation; the folder that we work in stays."""
    for relative in leftovers(store):
        if relative.startswith("generations/"):
            clear(store, relative)


def _build(
    spec: Venv,
    store: Store,
    chosen: Choice,
    settings: Settings,
    views: tuple[View, ...],
    work: str,
) -> Receipt:
    identifier = new_id(store)
    root = store.generation(identifier)
    progress.step(f"making generation {identifier}")
    os.makedirs(root, 0o700)  # an engine that was just removing the store may have been first
    with flushing(root) as flush:
        receipt = _filled(root, spec, store, chosen, settings, views, work)
        flush()
    receipts.write(receipt, root)
    flush_folder(root)
    flush_folder(os.path.dirname(root))
    return receipt


def _filled(
    root: str,
    spec: Venv,
    store: Store,
    chosen: Choice,
    settings: Settings,
    views: tuple[View, ...],
    work: str,
) -> Receipt:
    """Make all of a generation but its receipt, which is returned."""
    ids = ids_of(spec)
    name = os.path.basename(store.published)
    create(
        root, chosen.python, name, settings.cache, system_site_packages=spec.system_site_packages
    )
    prove(root, chosen.python, work)
    bare = bare_digests(root)
    taken, digests = donors.take(root, chosen.packages, chosen.python, views)
    missing = [one.name for one in chosen.packages if one.name not in taken]
    notes = f"{root}/{NOTES}"
    with open(notes, "xb"):
        pass  # a plain file, in which no package can put a receipt of its own making
    install(root, spec, chosen, missing, settings, work)
    os.unlink(notes)
    progress.step("checking every file")
    found = inspect(root, chosen.packages, bare, digests, _anchors(views))
    changed_meanwhile(spec)
    found.digests.update(bytecode.compile_all(root, found, chosen.python, settings, work))
    link_system_packages(root, spec, chosen.python, work)
    keep_persistent(root, spec, store, ids)
    set_modes(root)
    open_folder(root, spec, ids)
    receipt, seal = _sealed(root, spec, chosen, found, ids)
    # Before the receipt: what does not pass must not be there, finished, for the next run.
    # Before the files are their owner's, who could have us run something else.
    smoke(root, spec, work)
    if ids != NOBODY:
        give(root, ids)
        memory.note(root, seal, receipt.loose, spec.ignore)
    return receipt


def _sealed(
    root: str, spec: Venv, chosen: Choice, found: Inspection, ids: Ids
) -> tuple[Receipt, Seal]:
    """Note the state of every file, as it shall stay; return what is to be the receipt."""
    progress.step("sealing")
    os.mkdir(f"{root}/{NOTES}", 0o755)
    with open(f"{root}/{LEASE}", "wb"):
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
        with open(f"{root}/{NOTES}/{name}", "wb") as stream:
            stream.write(data)
    with open(f"{root}/{NOTES}/stats", "wb") as stream:
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
