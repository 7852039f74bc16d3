"""Compare every installed file of a generation with the RECORD files of the wheels.

An installer that reports success isn't proof: its cache may be poisoned, the disk may be full,
and the wheel may be hostile.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from engine.frozen import replace
from states.venv.integrity.dist_info import (
    RECORD_DIGEST_PREFIX,
    dist_infos,
    metadata_name,
    read_record,
    record_digest,
)
from states.venv.integrity.manifest import file_digest, stat_entry, walk
from states.venv.integrity.mismatches import Mismatches
from states.venv.integrity.pyc_paths import is_bytecode, pyc_path, source_of
from states.venv.layout import METADATA_DIR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from states.venv.integrity.receipt import Package

_SIGNATURES = ("/RECORD.jws", "/RECORD.p7s")
_UNHASHED = ("/RECORD", *_SIGNATURES)
"""Files whose digest a RECORD can't contain: itself, and its signatures."""
_INTERPRETER = re.compile(r"bin/(?:python|pypy)[\d.]*t?")


@dataclass(slots=True)
class Inspection:
    """The package of each path, and the SHA-256 of each file."""

    owners: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    packages: tuple[Package, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)
    """Python sources that have no bytecode yet, with their digests."""


_Claims = dict[str, list[tuple[str, str]]]
"""By path: the packages that list it in their RECORD, each with the digest there."""


def check_records(
    root: str,
    packages: tuple[Package, ...],
    baseline: Mapping[str, str],
    digests: Mapping[str, str],
    known_records: Mapping[str, str],
) -> Inspection:
    """Check a generation before its manifest is written, and delete bytecode from wheels.

    Args:
        root: The directory of the generation.
        packages: The selected packages.
        baseline: The digest of each file of the empty environment.
        digests: The digests of files that were hashed while they were copied.
        known_records: The RECORD digest of each package at its first installation, by name
            and content.

    Returns:
        The owners and digests of all files, and the packages with their versions.

    Raises:
        RecordMismatch: A file is missing, changed, or not listed in any RECORD.

    """
    inspection = Inspection(digests=dict(digests))
    mismatches = Mismatches()
    records: dict[str, str] = {}
    versions: dict[str, str] = {}
    claims: _Claims = {}
    for dist_info in dist_infos(root):
        name, version = metadata_name(os.path.join(root, dist_info, "METADATA"))
        versions[name] = version
        try:
            rows = read_record(root, dist_info)
        except (OSError, ValueError) as error:
            mismatches.add(f"unusable RECORD in {dist_info}: {error}", name)
            continue
        records[name] = record_digest(rows, dist_info.split("/")[1])
        for path, digest in rows:
            if _is_reserved(path, baseline):
                mismatches.add(f"{name} would replace `{path}`", name)
            if not is_bytecode(path):
                claims.setdefault(path, []).append((name, digest))
    _check_claims(root, claims, inspection, mismatches)
    _check_versions(packages, versions, mismatches)
    _check_other_files(root, baseline, claims, inspection, mismatches)
    _check_known_records(packages, records, known_records, mismatches)
    mismatches.require_none()
    inspection.packages = tuple(
        replace(package, version=versions[package.name], record=records[package.name])
        for package in packages
    )
    return inspection


def baseline_digests(root: str) -> dict[str, str]:
    """Return the digest or link target of each file of an environment without packages."""
    return {
        path: stat_entry(root, path).content
        for path, entry in walk(root)
        if not entry.is_dir(follow_symlinks=False)
    }


def _is_reserved(path: str, baseline: Mapping[str, str]) -> bool:
    """Return whether a wheel must not install to a path.

    It is outside the venv, belongs to converge, or belongs to the empty environment.
    """
    return (
        path in baseline
        or path.startswith(("../", "/"))
        or path.partition("/")[0] == METADATA_DIR
        or _INTERPRETER.fullmatch(path) is not None
    )


def _check_claims(
    root: str, claims: _Claims, inspection: Inspection, mismatches: Mismatches
) -> None:
    """Compare each file that a RECORD lists. If several list it, one of them must match.

    Args:
        root: The directory of the generation.
        claims: The listed files.
        inspection: Receives the owner and the digest of each matching file.
        mismatches: Receives the mismatches.

    """
    for path, claimants in claims.items():
        names = [name for name, _ in claimants]
        try:
            digest = _claimed_digest(root, path, claimants, inspection)
        except OSError:
            mismatches.add(f"missing file `{path}`", *names)
            continue
        if digest is None:
            mismatches.add(f"`{path}` isn't a regular file", *names)
            continue
        matching = [name for name, expected in claimants if expected == digest]
        if not matching and path.endswith(_UNHASHED):
            matching = [name for name, expected in claimants if not expected]
        if matching:
            inspection.owners[path] = matching[0]
        elif any(expected for _, expected in claimants):
            mismatches.add(f"`{path}` differs from its RECORD", *names)
        else:
            mismatches.add(f"`{path}` has no digest in its RECORD", *names)


def _claimed_digest(
    root: str, path: str, claimants: list[tuple[str, str]], inspection: Inspection
) -> str | None:
    """Return the digest of a listed file, or None if it isn't a regular file.

    Args:
        root: The directory of the generation.
        path: The file, relative to `root`.
        claimants: The packages that list the file.
        inspection: Contains the digests of files that were hashed before, and receives this one.

    Returns:
        The SHA-256 in hexadecimal, or None.

    Raises:
        OSError: The file is missing or unreadable.

    """
    # Another claimant may have replaced a file after it was hashed during the copy.
    if len(claimants) == 1 and path in inspection.digests:
        return inspection.digests[path]
    absolute = os.path.join(root, path)
    status = os.lstat(absolute)
    if not stat.S_ISREG(status.st_mode):
        return None
    digest = inspection.digests[path] = file_digest(absolute, status.st_size)
    return digest


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


def _check_other_files(
    root: str,
    baseline: Mapping[str, str],
    claims: _Claims,
    inspection: Inspection,
    mismatches: Mismatches,
) -> None:
    """Require that no RECORD omits a file, and that the environment itself is unchanged.

    Args:
        root: The directory of the generation.
        baseline: The digest of each file of the empty environment.
        claims: The listed files. `_check_claims` has already reported their mismatches.
        inspection: Receives the owners, digests, and sources of the remaining files.
        mismatches: Receives the mismatches.

    """
    owners, digests = inspection.owners, inspection.digests
    paths = [path for path, entry in walk(root) if not entry.is_dir(follow_symlinks=False)]
    for path in paths:
        if path in baseline:
            if stat_entry(root, path).content != baseline[path]:
                mismatches.add(f"a package replaced `{path}`")
            digests[path] = baseline[path]
        elif is_bytecode(path):
            if path not in digests:
                os.unlink(f"{root}/{path}")
            owners.setdefault(path, owners.get(source_of(path), ""))
        elif path.endswith(_SIGNATURES) and f"{os.path.dirname(path)}/RECORD" in owners:
            # A signature is created after the RECORD, which can't list it.
            owners[path] = owners[f"{os.path.dirname(path)}/RECORD"]
        elif path not in claims:
            mismatches.add(f"no RECORD lists `{path}`")
    for path in sorted(baseline.keys() - set(paths)):
        mismatches.add(f"a package deleted `{path}`")
    inspection.sources = {
        path: digests.get(path, "")
        for path in paths
        if path.endswith(".py") and pyc_path(path, root) not in digests
    }


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
