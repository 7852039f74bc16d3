"""Explain briefly why an attribute of a venv will change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from states.venv.accounts import renamed_accounts
from states.venv.files.paths import expand
from states.venv.files.state import PREFIX as FILES
from states.venv.files.state import file_attributes
from states.venv.integrity.manifest import load_manifest
from states.venv.layout import SYSTEM_MODULES
from states.venv.observe import FOREIGN, PUBLISHED, REMEDIED
from states.venv.user_data import DATA_PREFIXES, describe_data

if TYPE_CHECKING:
    from engine.diff import Change
    from states.interpreter.discovery import Python
    from states.venv.integrity.receipt import Package, Receipt
    from states.venv.observe import Observation
    from states.venv.resolve.selection import Selection
    from states.venv.spec import Venv

_DECLARED = ("settings", "system-site-packages", "owner", "group", "mode")
"""Attributes that change only with the declaration."""
_SELECTED = "another version was selected"
_MAX_NAMED = 3
_DIGEST_LENGTH = 12

_REMEDIED_REASONS = dict(
    zip(REMEDIED, ("an interrupted run left it", "other users can't read it"), strict=True)
)


def explain(
    spec: Venv, change: Change, observation: Observation, selection: Selection | None
) -> str:
    """Explain one change.

    Args:
        spec: The declared venv.
        change: The change of one attribute.
        observation: The observation that the change starts from.
        selection: The selected interpreter and packages, if they are known.

    Returns:
        The reason, or an empty string if the change explains itself.

    """
    name, receipt = change.attribute, observation.receipt
    if name.startswith(DATA_PREFIXES):
        return describe_data(observation.store, name)
    if observation.state is None or spec.state == "absent":
        return ""
    if name == "path":
        return _path(change, observation)
    remedied = next(
        (text for prefix, text in _REMEDIED_REASONS.items() if name.startswith(prefix)), ""
    )
    if remedied or name.startswith(FILES):
        return remedied or _declared_file(spec, change, observation)
    if receipt is None:
        return _adopted(change, observation)
    if name.startswith(("package.", "file.", SYSTEM_MODULES)):
        return _content(change, receipt, selection)
    if name == "relocated":
        return "its scripts contain the path where it was built"
    if name == "python":
        return _python(change, receipt.python)
    if name == "artifacts":
        return _artifacts(receipt, selection)
    return _declared(spec, change, receipt)


def _declared(spec: Venv, change: Change, receipt: Receipt) -> str:
    declared = file_attributes(spec.files)
    installed = {f"{FILES}{path}": text for path, text, _ in receipt.files}
    if change.attribute == "settings" and declared != installed:
        return ""  # Each declared file that changed has its own reason.
    if change.before == renamed_accounts(receipt).get(change.attribute, ""):
        return f"`{change.after}` now has another ID"
    return "the declaration changed" if change.attribute in _DECLARED else ""


def _declared_file(spec: Venv, change: Change, observation: Observation) -> str:
    """Explain the change of a declared file. The values show digests, and never the content.

    Args:
        spec: The declared venv.
        change: The change.
        observation: The observation that the change starts from.

    Returns:
        The reason.

    """
    name = change.attribute.removeprefix(FILES)
    if change.after is None:
        return "no longer declared"
    if change.before is not None:
        is_same = change.before.split()[0] == change.after.split()[0]
        return "the declaration changed" if is_same else "its content changed"
    receipt, root = observation.receipt, observation.root
    manifest = load_manifest(root, receipt.manifest) if receipt else None
    entry = manifest.get(expand(name, root)) if manifest else None
    if entry is not None and entry.package and spec.files[name].is_placed:
        return f"replaces a file of {entry.package}"
    return "newly declared"


def _content(change: Change, receipt: Receipt, selection: Selection | None) -> str:
    kind, _, name = change.attribute.partition(".")
    if kind == "package":
        reason = _package(name, change, receipt)
        bounds = selection.changed_bounds if selection is not None else ()
        is_bounded = reason == _SELECTED and bounds
        return f"{reason}, because these changed: {_listed(bounds)}" if is_bounded else reason
    if change.attribute.startswith(SYSTEM_MODULES):
        event = "was removed" if change.before == "missing" else "changed"
        return f"the module `{name}` of the distribution {event}"
    return "not in the manifest" if change.before == "unexpected" else "differs from the manifest"


def _path(change: Change, observation: Observation) -> str:
    if change.before == PUBLISHED:
        return "its receipt is torn or missing"
    if change.before != FOREIGN:
        return "the path doesn't point to it"
    if observation.link:
        return f"replaces the symlink to {observation.link}"
    backup = f"{observation.store.root}/adopted-…"
    return f"the existing directory becomes the adopted backup `{backup}`"


def _adopted(change: Change, observation: Observation) -> str:
    """Explain what an adoption does to a package or to the interpreter."""
    if change.before is None or observation.live_id != FOREIGN:
        return ""
    if change.attribute.startswith("package."):
        if change.after and change.before.split(" @ ")[0] == change.after.split(" @ ")[0]:
            return "the same version; the installed content isn't known"
        return _SELECTED if change.after else "not declared"
    return "another interpreter was selected" if change.attribute == "python" else ""


def _package(name: str, change: Change, receipt: Receipt) -> str:
    recorded = {package.name: package.identity() for package in receipt.packages}
    if change.before is None:
        return "it was deleted" if name in recorded else "newly required"
    if change.after is None:
        return "no longer required" if name in recorded else "not declared"
    if recorded.get(name) != change.before:
        return "not the version that converge installed"
    return _SELECTED


def _listed(bounds: tuple[str, ...]) -> str:
    rest = len(bounds) - _MAX_NAMED
    named = bounds[:_MAX_NAMED]
    return ", ".join(named) + (f", and {rest} more" if rest > 0 else "")


def _artifacts(receipt: Receipt, selection: Selection | None) -> str:
    """Name the packages whose file was replaced under the same version, or is built differently.

    Any other changed package has an attribute of its own.
    """
    if selection is None:
        return ""
    installed = {package.name: package for package in receipt.packages}
    replaced = [
        f"the file of {package.name} {package.version} has the SHA-256 {_digest(package)}, "
        f"not {_digest(installed[package.name])}"
        for package in selection.packages
        if package.name in installed
        and package.identity() == installed[package.name].identity()
        and package.content != installed[package.name].content
    ]
    rebuilt = [
        package.name
        for package in selection.packages
        if package.name in installed and package.build != installed[package.name].build
    ]
    changed = f"the build settings of {_listed(tuple(rebuilt))} changed" if rebuilt else ""
    return ", and ".join(filter(None, (_listed(tuple(replaced)), changed)))


def _digest(package: Package) -> str:
    return package.content.removeprefix("sha256:")[:_DIGEST_LENGTH] + "…"


def _python(change: Change, python: Python) -> str:
    if change.before == python.attribute("missing"):
        return "its interpreter was deleted"
    if change.before == python.attribute("changed"):
        return "its interpreter was replaced"
    return "another interpreter was selected"
