"""Observe a venv. This only reads, starts no program, and runs no code of the venv.

Almost every run does nothing else, so this module stays small: it imports the comparison of
files only after the stat cache reports a difference.
"""

from __future__ import annotations

import os
import stat

from engine.frozen import frozen, replace
from engine.system.existence import is_directory, is_symlink, lstat, read_link
from engine.system.lock import is_held
from states.venv.files.state import PREFIX as FILES
from states.venv.generations.hold import HOLD_NAME, held_id
from states.venv.generations.modes import find_missing_permissions
from states.venv.generations.recovery import find_unfinished, has_stale_hold
from states.venv.generations.store import list_generations, live_id
from states.venv.integrity.intact import check_content, metadata_drift
from states.venv.integrity.receipt import artifacts_of, is_at, lock_text, read_receipt
from states.venv.integrity.stat_cache import is_unreliable
from states.venv.layout import RECEIPT, SYSTEM_MODULES, Store, store_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from engine.diff import State
    from states.venv.integrity.receipt import Receipt
    from states.venv.spec import Venv

PUBLISHED = "published"
FOREIGN = "foreign"
"""The path holds something that converge didn't create, or a restored backup of it."""
REMEDIED = ("unfinished.", "permissions.")
"""Prefixes of the attributes that an apply removes without another generation."""
_CONTENT_ATTRIBUTES = ("file.", "package.", SYSTEM_MODULES, "relocated")


@frozen
class Observation:
    """The state of a venv at one moment."""

    store: Store
    state: State | None
    receipt: Receipt | None = None
    """Of the published generation. If that has none, of the held or else the newest one."""
    lock: str | None = None
    """The lock of that generation. None if it doesn't have the receipt's digest."""
    stats_outdated: bool = False
    """Whether the content is intact, but the stat cache doesn't match."""
    link: str = ""
    """The target, if the path is a symlink that converge didn't create."""
    held: str = ""
    """The generation that a rollback holds, or `foreign` for a restored backup."""

    @property
    def damaged(self) -> bool:
        """Whether the generation differs from its manifest, or can't run at its path."""
        if self.receipt is None:
            return False
        return bool(self.drifted or self.receipt.python.drift())

    @property
    def drifted(self) -> list[str]:
        """The attributes in which the generation differs from its receipt and manifest."""
        packages = self.receipt.packages if self.receipt else ()
        recorded = {f"package.{package.name}": package.identity() for package in packages}
        observed = {
            name: value
            for name, value in (self.state or {}).items()
            if name.startswith(_CONTENT_ATTRIBUTES)
        }
        return [
            name for name in {**observed, **recorded} if observed.get(name) != recorded.get(name)
        ]

    @property
    def live_id(self) -> str:
        """The observed generation, or `foreign`, or an empty string."""
        if self.receipt is not None:
            return self.receipt.generation
        return FOREIGN if (self.state or {}).get("path") == FOREIGN else ""

    @property
    def root(self) -> str:
        """The directory of the observed generation, or an empty string."""
        return self.store.generation(self.receipt.generation) if self.receipt else ""


def observe(spec: Venv, matching: Container[str] = ()) -> Observation:
    """Observe the venv at the path of a spec.

    Args:
        spec: The spec.
        matching: Generations whose stat cache was just compared, and matches.

    Returns:
        The observation.

    Raises:
        OSError: Something can't be read. A failing read must not look like a missing file.

    """
    observation = _observe(spec, matching)
    return observation if spec.state == "present" else _with_data(observation)


def _observe(spec: Venv, matching: Container[str]) -> Observation:
    store = store_of(spec.path)
    path_state, identifier = published_state(store)
    held = held_id(store, spec)
    if path_state == FOREIGN:
        link = read_link(store.published)
        held = held if held == FOREIGN else ""
        content = _adopted_content(store, spec) if spec.adopt and not held else {}
        return Observation(store=store, state={"path": FOREIGN, **content}, link=link, held=held)
    if held == FOREIGN:
        held = ""  # Someone has moved the restored backup away.
    unfinished = {} if is_held(store.lock) else _unfinished(store)
    receipt = _find_receipt(store, identifier, held)
    if receipt is None and held:
        torn = {f"file.{RECEIPT}": "torn or missing"}
        return Observation(store=store, state={"path": path_state, **torn, **unfinished}, held=held)
    if receipt is None:
        if path_state == "missing" and (spec.state == "present" or not is_directory(store.root)):
            # The venv doesn't exist yet. Its creation deletes what a killed creation left.
            return Observation(store=store, state=None)
        return Observation(store=store, state={"path": path_state, **unfinished})
    if path_state == PUBLISHED:
        # The value of a correct path is the path itself.
        path_state = spec.path if receipt.generation == identifier else "incomplete"
    root = store.generation(receipt.generation)
    content, stats_outdated = _content(root, receipt, spec, matching)
    content.update(_dangling_links(root, spec))
    if spec.system_packages:
        # Imported here: most venvs link to no module of the distribution.
        from states.venv.integrity.system_modules import observe_modules

        drift, is_outdated = observe_modules(receipt.system_modules, held=bool(held))
        content, stats_outdated = {**content, **drift}, stats_outdated or is_outdated
    modes = find_missing_permissions(store, receipt.generation)
    content.update({f"permissions.{path}": mode for path, mode in modes.items()})
    return Observation(
        store=store,
        state={"path": path_state, **_recorded_state(receipt), **content, **unfinished},
        receipt=receipt,
        lock=lock_text(root, receipt),
        stats_outdated=stats_outdated,
        held=held,
    )


def _adopted_content(store: Store, spec: Venv) -> dict[str, str]:
    """Return the attributes of a directory that an apply would adopt."""
    if spec.state == "absent" or not is_directory(store.published):
        return {}
    # Imported here: a no-op run adopts nothing.
    from states.venv.adoption.packages import adopted_attributes

    return adopted_attributes(store.published)


def _with_data(observation: Observation) -> Observation:
    """Add the attributes of the data that is deleted with a venv that is declared absent."""
    if not observation.state or observation.live_id == FOREIGN:
        return observation
    # Imported here: a no-op run deletes nothing.
    from states.venv.user_data import data_attributes

    state = {**observation.state, **data_attributes(observation.store)}
    return replace(observation, state=state)


def published_state(store: Store) -> tuple[str, str | None]:
    """Return the state of the published path, and the ID of the generation that it points to."""
    status = lstat(store.published)
    if status is None:
        return "missing", None
    if stat.S_ISLNK(status.st_mode):
        identifier = live_id(store)
        if identifier is None:
            target = read_link(store.published)
            was_converged = bool(list_generations(store))
            return (f"symlink to {target}" if was_converged else FOREIGN), None
        exists = is_directory(store.generation(identifier))
        return (PUBLISHED if exists else "dangling"), identifier
    if stat.S_ISDIR(status.st_mode) and not os.listdir(store.published):
        return "empty directory", None
    return FOREIGN, None


def _unfinished(store: Store) -> dict[str, str]:
    """Return an attribute for each entry that an interrupted run left."""
    names = find_unfinished(store)
    if has_stale_hold(store):
        names.append(HOLD_NAME)
    return {f"unfinished.{name}": "unfinished" for name in names}


def _find_receipt(store: Store, identifier: str | None, held: str) -> Receipt | None:
    """Return the receipt of the published generation, or of the one that should be published.

    The latter is the held generation, or else the newest one with a valid receipt.

    Args:
        store: The store of the venv.
        identifier: The published generation, if any.
        held: The held generation, or an empty string.

    Returns:
        The receipt, or None if no such generation has a valid one.

    Raises:
        OSError: The metadata of a generation can't be read, so it may be intact.

    """
    for candidate in filter(None, (identifier, held)):
        receipt = read_receipt(store.generation(candidate))
        if receipt is not None:
            return receipt
    if held:
        return None
    for candidate in reversed(list_generations(store)):
        receipt = read_receipt(store.generation(candidate))
        if receipt is not None:
            return receipt
    return None


def _recorded_state(receipt: Receipt) -> dict[str, str]:
    """Return the attributes that a receipt records."""
    return {
        "generation": receipt.generation,
        "python": receipt.python.attribute(receipt.python.drift()),
        "system-site-packages": str(receipt.system_site_packages).lower(),
        "settings": receipt.settings,
        "artifacts": artifacts_of(receipt.packages),
        **owners(receipt.owner, receipt.group),
        "mode": receipt.mode,
        **{f"{FILES}{path}": description for path, description, _ in receipt.files},
        **_renamed_accounts(receipt),
    }


def _renamed_accounts(receipt: Receipt) -> dict[str, str]:
    if not receipt.owner and not receipt.group:
        return {}
    # Imported here: most venvs have no declared owner.
    from states.venv.accounts import renamed_accounts

    return renamed_accounts(receipt)


def owners(owner: str, group: str) -> dict[str, str]:
    """Return the attributes for an owner and a group, if they are declared."""
    return {name: value for name, value in (("owner", owner), ("group", group)) if value}


def _content(
    root: str, receipt: Receipt, spec: Venv, matching: Container[str]
) -> tuple[dict[str, str], bool]:
    """Observe the content of a generation.

    Args:
        root: The directory of the generation.
        receipt: Its receipt.
        spec: The declared venv.
        matching: Generations whose stat cache was just compared, and matches.

    Returns:
        The attributes of the packages and the drifted files, and whether the stat cache is
        outdated although the content is intact.

    Raises:
        OSError: An entry can't be read.

    """
    packages = {f"package.{package.name}": package.identity() for package in receipt.packages}
    metadata = {f"file.{path}": drift for path, drift in metadata_drift(root).items()}
    if not is_at(receipt, root):
        return {**packages, **metadata, "relocated": f"made at {receipt.path}"}, False
    drift, manifest = check_content(root, receipt, spec.ignore, matching)
    if not drift:
        uses_cache = not receipt.partly_ignored and not is_unreliable(root)
        return {**packages, **metadata}, bool(manifest) and uses_cache
    if not manifest:
        files = {f"file.{path}": condition for path, condition in drift.items()}
        return {**packages, **metadata, **files}, False
    # Imported here: a no-op run finds no drift.
    from states.venv.integrity.drift import by_package

    return {**by_package(drift, manifest, receipt, root), **metadata}, False


def _dangling_links(root: str, spec: Venv) -> dict[str, str]:
    """Return the persistent directories whose symlink has no target."""
    links = {path: f"{root}/{path}" for path in spec.persistent if is_symlink(f"{root}/{path}")}
    return {f"file.{path}": "missing" for path, link in links.items() if not is_directory(link)}
