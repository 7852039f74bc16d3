"""Select the interpreter and versions of a venv: recorded ones, or new ones.

A run that changes nothing imports this module, so resolution is imported inside functions.
"""

from __future__ import annotations

import json
import os

from engine.frozen import frozen
from engine.system.files import sha256
from states.interpreter import discovery
from states.venv.generations.store import list_generations
from states.venv.integrity.receipt import lock_text, read_receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.settings import Settings
    from states.interpreter.discovery import Python
    from states.venv.integrity.receipt import Package, Receipt
    from states.venv.observe import Observation
    from states.venv.resolve.pylock import Resolution
    from states.venv.spec import Venv


@frozen
class Selection:
    """The interpreter and the packages of a venv."""

    request: str
    """The request that the interpreter satisfies."""
    python: Python
    lock: str
    """The text of a lock with one file for each package."""
    packages: tuple[Package, ...]
    changed_bounds: tuple[str, ...] = ()
    """Why this run didn't keep the versions of the live generation."""
    notices: tuple[str, ...] = ()
    """Messages about the selected versions that require no action."""


def is_current(spec: Venv, observation: Observation, upgrade: frozenset[str] | None) -> bool:
    """Check whether the live generation answers a spec without an index or a search.

    Args:
        spec: The spec.
        observation: The venv as observed.
        upgrade: The packages to upgrade. Empty for all, None for none.

    Returns:
        False if `select` has to look something up.

    """
    receipt = observation.receipt
    if receipt is None or upgrade is not None or receipt.inputs != spec.inputs:
        return False
    if receipt.python.drift() or observation.lock is None:
        return False
    if local_projects_changed(spec, receipt):
        return False
    is_declared = spec.python.startswith("interpreter.")
    return is_declared or interpreter_matches(spec.python, receipt)


def select(
    spec: Venv,
    request: str,
    observation: Observation,
    settings: Settings,
    is_known_current: bool = False,
) -> Selection:
    """Select an interpreter and versions. Asks an index only if no generation has the answer.

    Args:
        spec: The spec.
        request: The interpreter request.
        observation: The venv as observed.
        settings: The cache directory, and the packages to upgrade.
        is_known_current: Whether `is_current` has returned True for the same observation.

    Returns:
        The selection.

    Raises:
        ConvergeError: No interpreter or no versions satisfy the spec.
        OSError: The lockfile can't be read.

    """
    python = _select_python(request, observation.receipt)
    unchanged = observation.receipt if is_known_current else None
    if settings.upgrade is None:
        recorded = _find_recorded(spec, python, observation, unchanged)
        if recorded is not None:
            lock, packages = recorded
            return Selection(request, python, lock, _with_build(spec, packages))
    resolution = resolve_versions(spec, python, observation.lock, observation.receipt, settings)
    return Selection(
        request,
        python,
        resolution.lock,
        _with_build(spec, resolution.packages),
        resolution.changed_bounds,
        resolution.notices,
    )


def _with_build(spec: Venv, packages: tuple[Package, ...]) -> tuple[Package, ...]:
    """Return packages with the digests of the settings with which a spec builds them."""
    if not spec.build_settings and not any(package.build for package in packages):
        return packages
    # Imported here: most venvs declare no such settings.
    from states.venv.resolve.builds.settings import add_build_digests

    return add_build_digests(spec, packages)


def _select_python(request: str, receipt: Receipt | None) -> Python:
    """Keep the interpreter of a generation if it satisfies the request. Otherwise search."""
    if receipt and not receipt.python.drift() and interpreter_matches(request, receipt):
        return receipt.python
    return discovery.find(request)


def _find_recorded(
    spec: Venv, python: Python, observation: Observation, unchanged: Receipt | None
) -> tuple[str, tuple[Package, ...]] | None:
    """Find a generation that was built from the same inputs.

    Args:
        spec: The spec.
        python: The selected interpreter.
        observation: The venv as observed.
        unchanged: The receipt of a generation whose local projects are known to be unchanged.

    Returns:
        Its lock and packages, or None.

    """
    for receipt, lock in _recorded_locks(observation):
        is_same = receipt.inputs == spec.inputs and receipt.python.is_compatible_with(python)
        if is_same and (receipt is unchanged or not local_projects_changed(spec, receipt)):
            return lock, receipt.packages
    return None


def _recorded_locks(observation: Observation) -> Iterator[tuple[Receipt, str]]:
    """Yield the receipt and the lock of the live generation, then of all, newest first."""
    if observation.receipt is not None and observation.lock is not None:
        yield observation.receipt, observation.lock
    for identifier in reversed(list_generations(observation.store)):
        root = observation.store.generation(identifier)
        receipt = read_receipt(root)
        lock = lock_text(root, receipt) if receipt is not None else None
        if receipt is not None and lock is not None:
            yield receipt, lock


def resolve_versions(
    spec: Venv, python: Python, previous: str | None, receipt: Receipt | None, settings: Settings
) -> Resolution:
    """Select versions from a lockfile, or resolve them, unless a plan has recorded them.

    Args:
        spec: The spec.
        python: The selected interpreter.
        previous: The lock whose versions are kept where possible, if there is one.
        receipt: The receipt of the last build of local projects, if there was one.
        settings: The cache directory, and the packages to upgrade.

    Returns:
        The versions.

    Raises:
        ConvergeError: No versions satisfy the spec.
        OSError: The lockfile can't be read.

    """
    from states.venv.resolve.projects.names import is_uv_lock
    from states.venv.resolve.pylock import parse_lock, select_artifacts
    from states.venv.resolve.resolver import resolve
    from states.venv.resolve.subset import subset_of

    def digest(path: str) -> str:
        return _project_digest(path, spec, receipt)

    if spec.lock and not is_uv_lock(spec.lock):
        with open(spec.lock, encoding="utf-8-sig") as stream:
            lock = parse_lock(stream.read())
        base = os.path.dirname(spec.lock)
        return select_artifacts(lock, python, base, digest, subset_of(spec))
    from states.venv.resolve.reuse.planned import recall, record, request_digest

    request = request_digest(spec, python, previous)
    is_upgrade = settings.upgrade is not None
    planned = None if is_upgrade else recall(spec, request, settings)
    if planned is not None and all(
        digest(package.project()) == package.content
        for package in planned.packages
        if package.project()
    ):
        return planned
    if is_uv_lock(spec.lock):
        from states.venv.resolve.projects.uv_lock import export_uv_lock

        resolution = export_uv_lock(spec, python, settings, digest)
    else:
        resolution = resolve(spec, python, previous, settings, digest)
    if not is_upgrade:
        record(spec, request, resolution, settings)
    return resolution


def local_projects_changed(spec: Venv, receipt: Receipt) -> bool:
    """Return whether the source of a local project differs from the installed one."""
    projects = {
        package.project(): package.content for package in receipt.packages if package.project()
    }
    return any(
        _project_digest(path, spec, receipt) != content for path, content in projects.items()
    )


def _project_digest(path: str, spec: Venv, receipt: Receipt | None) -> str:
    """Return the digest of a local project, with the knowledge of its last build.

    Args:
        path: The directory of the project.
        spec: The spec, for the patterns of files that aren't source.
        receipt: The receipt of the last build, if there was one.

    Returns:
        The digest.

    Raises:
        OSError: A file can't be read.

    """
    from states.venv.sources.tree import SourceTree, project_digest

    files = receipt.project_files(path) if receipt else None
    recorded = receipt.project_content(path) if receipt else ""
    return project_digest(SourceTree(path, spec.source_ignore, files), recorded)


def settings_digest(spec: Venv) -> str:
    """Return a short digest of the settings that shape the content, apart from packages."""
    settings: list[object] = [spec.persistent, spec.ignore, spec.system_packages]
    if spec.files:  # Receipts of earlier versions don't count declared files.
        from states.venv.files.state import file_settings

        settings.append(file_settings(spec.files))
    return sha256(json.dumps(settings).encode())[:16]


def matches_settings(spec: Venv, receipt: Receipt) -> bool:
    """Return whether a generation was built as a spec requests, with any interpreter."""
    return (
        receipt.inputs == spec.inputs
        and receipt.system_site_packages == spec.system_site_packages
        and receipt.settings == settings_digest(spec)
        and _with_build(spec, receipt.packages) == receipt.packages
        and (receipt.owner, receipt.group, receipt.mode) == (spec.owner, spec.group, spec.mode)
    )


def interpreter_matches(request: str, receipt: Receipt) -> bool:
    """Return whether the interpreter of a generation satisfies a request."""
    is_same = request == receipt.request
    if is_same and not discovery.resolves_differently(receipt.python, request):
        return True
    return discovery.satisfies(receipt.python, request)
