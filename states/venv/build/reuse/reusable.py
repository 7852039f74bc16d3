"""Copy packages from generations on this host, and hash each file while copying.

The cost of a change then grows with the change: an unchanged package is neither downloaded
nor compiled again. If any file of a package differs from its manifest, the installer installs
the whole package instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import progress
from states.venv.build.reuse.package_copy import PackageCopier
from states.venv.integrity.manifest import load_manifest
from states.venv.integrity.pyc_paths import is_bytecode, source_of
from states.venv.integrity.receipt import is_at, is_protected
from states.venv.integrity.stat_cache import stat_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from states.interpreter.discovery import Python
    from states.venv.build.reuse.package_copy import Copy
    from states.venv.build.stages import Draft
    from states.venv.integrity.manifest import Manifest
    from states.venv.integrity.receipt import Package, Receipt
    from states.venv.observe import Observation
    from states.venv.resolve.selection import Selection


def copy_reusable(draft: Draft) -> tuple[set[str], dict[str, Copy]]:
    """Copy every selected package that an observed generation has intact.

    Returns:
        The names of the copied packages, and the copies by path.

    """
    selection = draft.context.selection
    reused: set[str] = set()
    copies: dict[str, Copy] = {}
    for observation in draft.context.observations:
        receipt = observation.receipt
        if receipt is None or not _is_usable(observation, receipt, selection.python):
            continue
        installed = {package.name: package for package in receipt.packages}
        reusable = [
            package
            for package in selection.packages
            if package.name not in reused and is_same(package, installed.get(package.name))
        ]
        manifest = load_manifest(observation.root, receipt.manifest) if reusable else None
        if manifest is None:
            continue
        noun = "package" if len(reusable) == 1 else "packages"
        progress.step(f"reusing {len(reusable)} {noun} from {receipt.generation}")
        paths = _paths_by_package(manifest)
        own = {package.name: paths.get(package.name, []) for package in reusable}
        progress.measure("copying", sum(map(len, own.values())), "files")
        # The scripts contain the path of the receipt. It can lead through a symlink.
        copier = PackageCopier(receipt.path, draft.root, manifest, draft.context.scratch)
        for name, copied in copier.copy(own).items():
            reused.add(name)
            copies.update(copied)
    return reused, copies


def unavailable_packages(
    selection: Selection, observations: tuple[Observation, ...]
) -> frozenset[str]:
    """Return the names of the selected packages that no observed generation has intact.

    A plan calls it, so nothing is read again. The installer has to install these packages.
    """
    available: set[str] = set()
    for observation in observations:
        receipt = observation.receipt
        if receipt is not None and _is_usable(observation, receipt, selection.python):
            installed = {package.name: package for package in receipt.packages}
            available.update(
                package.name
                for package in selection.packages
                if is_same(package, installed.get(package.name))
            )
            available -= _drifted_packages(observation, receipt)
    return frozenset(package.name for package in selection.packages) - available


def _drifted_packages(observation: Observation, receipt: Receipt) -> set[str]:
    drifted = observation.drifted
    manifest = load_manifest(observation.root, receipt.manifest) if drifted else None
    if drifted and manifest is None:
        return {package.name for package in receipt.packages}
    names = {name.removeprefix("package.") for name in drifted}
    for name in drifted:
        entry = (manifest or {}).get(name.removeprefix("file."))
        if entry is not None:
            names.add(entry.package)
    return names


def unmodified(root: str, copies: Mapping[str, Copy]) -> dict[str, str]:
    """Return the digests of the copies that the installer left unchanged.

    It may build a local project again, or overwrite a file of another package. Those files
    have to be hashed again. A bytecode file counts as changed if its source did.

    Args:
        root: The directory of the generation.
        copies: The copies by path.

    Returns:
        The SHA-256 of each unchanged copy by path.

    """
    keys = stat_keys(root, copies)
    same = {path for path, copy in copies.items() if keys[path] == copy.key}
    return {
        path: copies[path].digest
        for path in copies
        if path in same and (not is_bytecode(path) or source_of(path) in same)
    }


def _is_usable(observation: Observation, receipt: Receipt, python: Python) -> bool:
    """Return whether files that match the manifest of a generation may be copied.

    Args:
        observation: The observation of the generation.
        receipt: Its receipt.
        python: The interpreter of the new generation.

    Returns:
        Whether the interpreter is the same, and no other user can write the manifest. The
        files themselves may belong to the declared owner.

    """
    is_usable = is_at(receipt, observation.root) and is_protected(observation.root)
    is_same_python = receipt.python.executable == python.executable
    return is_usable and is_same_python and receipt.python.digest == python.digest


def is_same(selected: Package, installed: Package | None) -> bool:
    """Return whether an installed package has the content that was selected.

    A package without a content digest is never the same, and neither is one that was built with
    other settings. The version of a local project is unknown until it is built.
    """
    return (
        installed is not None
        and bool(selected.content)
        and selected.content == installed.content
        and (selected.origin, selected.build) == (installed.origin, installed.build)
        and selected.version in ("", installed.version)
    )


def _paths_by_package(manifest: Manifest) -> dict[str, list[str]]:
    paths: dict[str, list[str]] = {}
    for path, entry in manifest.items():
        if entry.kind == "f" and entry.package:
            paths.setdefault(entry.package, []).append(path)
    return paths
