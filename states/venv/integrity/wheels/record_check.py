"""Compare every installed file of a generation with the RECORD files of the wheels.

An installer that reports success isn't proof: its cache may be poisoned, the disk may be full,
and the wheel may be hostile.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from engine.frozen import replace
from states.venv.integrity.dist_info import RECORD_DIGEST_PREFIX, record_digest
from states.venv.integrity.inspection import Expected, Inspection
from states.venv.integrity.manifest import stat_entry, walk
from states.venv.integrity.pyc_paths import has_bytecode_path, is_bytecode, pyc_path, source_of
from states.venv.integrity.wheels.claims import SIGNATURES, check_claims

if TYPE_CHECKING:
    from collections.abc import Mapping

    from states.venv.integrity.inspection import Claims
    from states.venv.integrity.mismatches import Mismatches
    from states.venv.integrity.receipt import Package
    from states.venv.integrity.wheels.records import Records


def check_records(records: Records, expected: Expected, hashed: Mapping[str, str]) -> Inspection:
    """Check a generation before its manifest is written.

    Args:
        records: The RECORD files, and the files on disk.
        expected: The required content.
        hashed: The SHA-256 of files that were hashed before. The others are hashed here.

    Returns:
        The owners and digests of all files, and the packages with their versions.

    Raises:
        RecordMismatch: A file is missing, changed, or not listed in any RECORD.

    """
    root, mismatches = records.root, records.mismatches
    inspection = Inspection(digests={**records.copied, **hashed})
    check_claims(root, records.claims, expected, inspection, mismatches)
    _check_versions(expected.packages, records.versions, mismatches)
    _check_other_files(records, expected, inspection)
    digests = {
        name: record_digest(_as_installed(root, name, rows, inspection), python)
        for name, (python, rows) in records.rows.items()
    }
    _check_known_records(expected.packages, digests, expected.known_records, mismatches)
    mismatches.require_none()
    inspection.packages = tuple(
        replace(package, version=records.versions[package.name], record=digests[package.name])
        for package in expected.packages
    )
    return inspection


def _as_installed(
    root: str, name: str, rows: list[tuple[str, str]], inspection: Inspection
) -> list[tuple[str, str]]:
    """Return the rows of a RECORD with the digests of the tolerated files on disk.

    Otherwise, nothing would detect later that the download cache was modified there.

    Args:
        root: The directory of the generation.
        name: The package.
        rows: The rows of its RECORD.
        inspection: The tolerated files.

    Returns:
        The rows.

    """
    tolerated = {
        path: inspection.digests.get(path) or stat_entry(root, path).content
        for path, owner in inspection.tolerated.items()
        if owner == name
    }
    listed = [(path, digest) for path, digest in rows if path not in tolerated]
    return [*listed, *tolerated.items()] if tolerated else rows


def baseline_digests(root: str) -> dict[str, str]:
    """Return the digest or link target of each file of an environment without packages."""
    return {
        path: stat_entry(root, path).content
        for path, entry in walk(root)
        if not entry.is_dir(follow_symlinks=False)
    }


def _check_versions(
    packages: tuple[Package, ...], versions: Mapping[str, str], mismatches: Mismatches
) -> None:
    """Require exactly the selected packages, in the selected versions.

    Args:
        packages: The selected packages.
        versions: The version of each installed package, by name.
        mismatches: Receives the mismatches.

    """
    for package in packages:
        installed = versions.get(package.name)
        if installed is None:
            mismatches.add(f"{package.name} wasn't installed", package.name)
        elif package.version and not _is_same_version(installed, package.version):
            message = f"{package.name} is {installed}, but {package.version} was locked"
            mismatches.add(message, package.name)
    selected = {package.name for package in packages}
    for name in versions:
        if name not in selected:
            mismatches.add(f"{name or 'a package without a name'} wasn't requested", name)


def _is_same_version(installed: str, locked: str) -> bool:
    try:
        return Version(installed) == Version(locked)
    except InvalidVersion:
        return installed == locked


def _check_other_files(records: Records, expected: Expected, inspection: Inspection) -> None:
    """Require that no RECORD omits a file, and that the environment itself is unchanged.

    Args:
        records: The files. `check_claims` has already reported mismatches of the listed ones.
        expected: The required content.
        inspection: Receives the owners, digests, and sources of the remaining files.

    """
    root, claims, mismatches = records.root, records.claims, records.mismatches
    owners, digests, baseline = inspection.owners, inspection.digests, expected.baseline
    packages: dict[str, set[str]] = {}
    for path in records.files:
        if path in baseline:
            if stat_entry(root, path).content != baseline[path]:
                mismatches.add(f"a package replaced `{path}`")
            digests[path] = baseline[path]
        elif is_bytecode(path):
            owners.setdefault(path, owners.get(source_of(path), ""))
        elif path.endswith(SIGNATURES) and f"{os.path.dirname(path)}/RECORD" in owners:
            # A signature is created after the RECORD, which can't list it.
            owners[path] = owners[f"{os.path.dirname(path)}/RECORD"]
        elif path not in claims:
            packages = packages or _packages_by_directory(claims)
            names = packages.get(_package_directory(path), set())
            if not inspection.tolerate(path, names, expected):
                tolerable = expected.tolerable(names)
                mismatches.add(f"no RECORD lists `{path}`", tolerable=tolerable)
    for path in sorted(baseline.keys() - records.files.keys()):
        mismatches.add(f"a package deleted `{path}`")
    inspection.sources = {
        path: digests.get(path, "")
        for path in records.files
        if path.endswith(".py")
        and pyc_path(path, root) not in digests
        and has_bytecode_path(path, root)
    }


def _packages_by_directory(claims: Claims) -> dict[str, set[str]]:
    """Return the packages that list files in each directory of `site-packages`."""
    packages: dict[str, set[str]] = {}
    for path, claimants in claims.items():
        packages.setdefault(_package_directory(path), set()).update(name for name, _ in claimants)
    packages[""] = set()  # No package brings a directory that all of them share.
    return packages


def _package_directory(path: str) -> str:
    """Return the directory in `site-packages` that contains a path, or an empty string."""
    site, separator, inside = path.partition("/site-packages/")
    directory, is_inside, _ = inside.partition("/")
    return f"{site}{separator}{directory}" if is_inside else ""


def _check_known_records(
    packages: tuple[Package, ...],
    records: Mapping[str, str],
    known_records: Mapping[str, str],
    mismatches: Mismatches,
) -> None:
    """Require the RECORD of the first installation. Otherwise, the download cache was modified.

    Args:
        packages: The selected packages.
        records: The RECORD digest of each installed package, by name.
        known_records: The RECORD digest of each package at its first installation, by name
            and content. Digests in an older form are ignored.
        mismatches: Receives the mismatches.

    """
    for package in packages:
        first = known_records.get(f"{package.name} {package.content}", "")
        is_current_form = first.startswith(RECORD_DIGEST_PREFIX)
        if is_current_form and package.name in records and first != records[package.name]:
            message = f"{package.name} differs from its first installation"
            mismatches.add(message, package.name)
