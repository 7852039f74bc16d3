"""Looking at a venv: reads only, starts nothing, and runs no code of what it looks at."""

from __future__ import annotations

import os
import stat

from engine.frozen import frozen
from engine.system.lock import is_held
from states.venv.generations.hold import HOLD_NAME, held_id
from states.venv.generations.recovery import find_unfinished, has_stale_hold
from states.venv.generations.store import list_generations, live_id
from states.venv.integrity.manifest import load_manifest
from states.venv.integrity.receipt import Package, read_receipt
from states.venv.integrity.stat_cache import stats_match
from states.venv.layout import LEASE, METADATA_DIR, RECEIPT, Store, store_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.diff import State
    from states.venv.integrity.manifest import Manifest
    from states.venv.integrity.receipt import Receipt
    from states.venv.spec import Venv

PUBLISHED = "published"
FOREIGN = "foreign"
_METADATA_NAMES = {"receipt.json", "manifest.json", "stats", "pylock.toml", os.path.basename(LEASE),
                   "pinned", "quarantined"}  # fmt: skip


@frozen
class Observation:
    """One look at a venv."""

    store: Store
    state: State | None
    receipt: Receipt | None = None
    """Of the published generation; where none is, of the held one, or else of the newest."""
    stale: bool = False
    """Whether the content is as sealed though the memory of stats is not."""
    link: str = ""
    """Where a symlink of another's making leads that is at the path."""
    held: str = ""
    """The generation, or that the folder is foreign, to which it was rolled back to stay."""

    @property
    def damaged(self) -> bool:
        """Whether the generation is not what its seal says, or cannot run where it is."""
        if self.receipt is None:
            return False
        return bool(self.drifted or self.receipt.python.drift())

    @property
    def troubles(self) -> list[str]:
        """The attributes in which the generation is not what its receipt and its seal say."""
        packages = self.receipt.packages if self.receipt else ()
        sealed = {f"package.{one.name}": one.identity() for one in packages}
        told = ("file.", "package.", "relocated")
        state = self.state or {}
        have = {name: value for name, value in state.items() if name.startswith(told)}
        return [name for name in {**have, **sealed} if have.get(name) != sealed.get(name)]

    @property
    def live(self) -> str:
        """The generation that was looked at, or that the folder is foreign; empty for none."""
        if self.receipt is not None:
            return self.receipt.generation
        return FOREIGN if self.state == {"path": FOREIGN} else ""

    @property
    def root(self) -> str:
        """The folder of the generation that was looked at."""
        return self.store.generation(self.receipt.generation) if self.receipt else ""


def observe(spec: Venv) -> Observation:
    """Look at the venv that a spec names."""
    store = store_of(spec.path)
    where, identifier = published_state(store)
    held = held_id(store, spec)
    if where == FOREIGN:
        is_link = os.path.islink(store.published)
        link = os.readlink(store.published) if is_link else ""
        held = held if held == FOREIGN else ""
        return Observation(store=store, state={"path": FOREIGN}, link=link, held=held)
    if held == FOREIGN:
        held = ""  # it is another's, who has taken it away
    rest = {} if is_held(store.lock) else _left_over(store)
    receipt = _receipt(store, identifier, held)
    if receipt is None and held:
        broken = {f"file.{RECEIPT}": "torn or missing"}
        return Observation(store=store, state={"path": where, **broken, **rest}, held=held)
    if receipt is None:
        wanted = spec.state == "present"
        if where == "missing" and (wanted or not os.path.isdir(store.root)):
            # What a killed creation left is cleared by the next one: nothing is there yet.
            return Observation(store=store, state=None)
        return Observation(store=store, state={"path": where, **rest})
    if where == PUBLISHED:
        # The path itself stands for "it leads where it should".
        where = spec.path if receipt.generation == identifier else "incomplete"
    content, stale = _content(store.generation(receipt.generation), receipt, spec)
    content.update(_dangling_links(store.generation(receipt.generation), spec))
    state = {"path": where, **_facts(receipt), **content, **rest}
    return Observation(store=store, state=state, receipt=receipt, stale=stale, held=held)


def is_intact(store: Store, receipt: Receipt, ignore: tuple[str, ...]) -> bool:
    """Tell whether a generation is still what its receipt says."""
    if receipt.path != store.generation(receipt.generation) or receipt.python.drift():
        return False
    return not metadata_drift(receipt.path) and not _damage(receipt.path, receipt, ignore)[0]


def published_state(store: Store) -> tuple[str, str | None]:
    """Say what is at the path, and which generation it leads to."""
    try:
        found = os.lstat(store.published)
    except (FileNotFoundError, NotADirectoryError):
        return "missing", None
    if stat.S_ISLNK(found.st_mode):
        identifier = live_id(store)
        if identifier is None:
            target = os.readlink(store.published)
            known = bool(list_generations(store))
            return (f"symlink to {target}" if known else FOREIGN), None
        there = os.path.isdir(store.generation(identifier))
        return (PUBLISHED if there else "dangling"), identifier
    if stat.S_ISDIR(found.st_mode) and not os.listdir(store.published):
        return "empty directory", None
    return FOREIGN, None


def _left_over(store: Store) -> dict[str, str]:
    """Return what an interrupted run left, as attributes."""
    names = find_unfinished(store)
    if has_stale_hold(store):
        names.append(HOLD_NAME)
    return {f"unfinished.{one}": "unfinished" for one in names}


def _receipt(store: Store, identifier: str | None, held: str) -> Receipt | None:
    """Return the receipt of this generation, or of the one that was to stand in its place.

    That is the held one and no other, or the newest one that has a whole receipt.
    """
    for one in filter(None, (identifier, held)):
        receipt = read_receipt(store.generation(one))
        if receipt is not None:
            return receipt
        _require_readable(f"{store.generation(one)}/{METADATA_DIR}")
    if held:
        return None
    for one in reversed(list_generations(store)):
        receipt = read_receipt(store.generation(one))
        if receipt is not None:
            return receipt
    return None


def _require_readable(folder: str) -> None:
    """Raise `PermissionError` for who may not look, and must not take it for half-made."""
    try:
        os.listdir(folder)
    except PermissionError:
        raise
    except OSError:
        return  # there is none, or something else: that is drift


def _facts(receipt: Receipt) -> dict[str, str]:
    artifacts = artifacts_of(receipt.packages)
    return {
        "generation": receipt.generation,
        "python": receipt.python.attribute(receipt.python.drift()),
        "system-site-packages": str(receipt.system_site_packages).lower(),
        "settings": receipt.settings,
        "artifacts": artifacts,
        **owners(receipt.owner, receipt.group),
        "mode": receipt.mode,
    }


def owners(owner: str, group: str) -> dict[str, str]:
    """Return the attributes for an owner and a group, where they are declared."""
    return {name: word for name, word in (("owner", owner), ("group", group)) if word}


def artifacts_of(packages: tuple[Package, ...]) -> str:
    """Return a short digest of the content of all packages: version alone is no identity."""
    from engine.system.files import sha256

    rows = sorted(f"{one.name} {one.content}" for one in packages)
    return sha256("\n".join(rows).encode())[:16]


def _content(root: str, receipt: Receipt, spec: Venv) -> tuple[dict[str, str], bool]:
    """Return what the files amount to: packages, and each deviation from the seal."""
    plain = {f"package.{one.name}": one.identity() for one in receipt.packages}
    notes = {f"file.{path}": trouble for path, trouble in metadata_drift(root).items()}
    if receipt.path != root:
        return {**plain, **notes, "relocated": f"made at {receipt.path}"}, False
    wrong, seal = _damage(root, receipt, spec.ignore)
    if not wrong:
        return {**plain, **notes}, bool(seal) and not receipt.loose
    if not seal:
        broken = {f"file.{path}": trouble for path, trouble in wrong.items()}
        return {**plain, **notes, **broken}, False
    from states.venv.integrity.drift import by_package

    return {**by_package(wrong, seal, receipt, root), **notes}, False


def _dangling_links(root: str, spec: Venv) -> dict[str, str]:
    """Return the folders that live on across generations, and to which a link leads in vain."""
    links = {one: f"{root}/{one}" for one in spec.persistent if os.path.islink(f"{root}/{one}")}
    return {f"file.{one}": "missing" for one, link in links.items() if not os.path.isdir(link)}


def _damage(
    root: str, receipt: Receipt, ignore: tuple[str, ...]
) -> tuple[dict[str, str], Manifest]:
    """Return what differs, and the seal if it had to be asked."""
    if stats_match(root) and not receipt.partly_ignored:
        return {}, {}
    from states.venv.integrity.drift import find_drift

    seal = load_manifest(root, receipt.manifest)
    if seal is None:
        return {f"{METADATA_DIR}/manifest.json": "modified"}, {}
    return find_drift(root, seal, ignore), seal


def metadata_drift(root: str) -> dict[str, str]:
    """Return what is wrong among our notes but for their content: names that are none of ours.

    And the lease, without which nobody knows who runs from here.
    """
    try:
        names = os.listdir(f"{root}/{METADATA_DIR}")
    except OSError:
        return {}
    found = {
        f"{METADATA_DIR}/{name}": "unexpected" for name in names if name not in _METADATA_NAMES
    }
    return found if os.path.basename(LEASE) in names else {**found, LEASE: "missing"}
