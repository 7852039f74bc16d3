"""Compare the files that RECORD files list with the disk."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from engine import progress
from engine.system.existence import proves_no_file
from states.venv.integrity.inspection import is_contested, winner
from states.venv.integrity.manifest import file_digest
from states.venv.integrity.record_hash import has_digest

if TYPE_CHECKING:
    from collections.abc import Collection

    from states.venv.integrity.inspection import Claimants, Claims, Expected, Inspection
    from states.venv.integrity.mismatches import Mismatches

SIGNATURES = ("/RECORD.jws", "/RECORD.p7s")
_UNHASHED = ("/RECORD", *SIGNATURES)
"""Files whose digest a RECORD can't contain: itself, and its signatures."""


def check_claims(
    root: str,
    claims: Claims,
    expected: Expected,
    inspection: Inspection,
    mismatches: Mismatches,
) -> None:
    """Compare each file that a RECORD lists. If several list it, the winner must match.

    Args:
        root: The directory of the generation.
        claims: The listed files.
        expected: The required content.
        inspection: Receives the owner and the digest of each matching file.
        mismatches: Receives the mismatches.

    """
    progress.measure("verifying", len(claims), "files")
    for path, claimants in claims.items():
        progress.advance()
        names = [name for name, _ in claimants]
        try:
            digest = _sha256(root, path, inspection.digests)
            matching = _matching(root, path, claimants, digest)
        except OSError as error:
            if not proves_no_file(error):
                raise
            mismatches.add(f"missing file `{path}`", *names)
            continue
        if digest is None:
            mismatches.add(f"`{path}` isn't a regular file", *names)
            continue
        owner = _owner(claimants, matching)
        if owner:
            inspection.owners[path] = owner
            others = tuple(name for name, row in claimants if row and name not in matching)
            if others:
                inspection.overlapping[path] = (owner, others)
        elif path.endswith(_UNHASHED) and not all(row_digest for _, row_digest in claimants):
            inspection.owners[path] = next(name for name, row_digest in claimants if not row_digest)
        elif not inspection.tolerate(path, names, expected):
            is_listed = any(row_digest for _, row_digest in claimants)
            problem = "differs from its RECORD" if is_listed else "has no digest in its RECORD"
            tolerable = expected.tolerable(names)
            mismatches.add(f"`{path}` {problem}", *names, tolerable=tolerable)


def _owner(claimants: Claimants, matching: Collection[str]) -> str:
    """Return the package that installed a file, or an empty string if the file is wrong."""
    owner = winner(claimants)
    if owner in matching:
        return owner
    return "" if is_contested(claimants) else max(matching, default="")


def _matching(root: str, path: str, claimants: Claimants, digest: str | None) -> set[str]:
    """Return the packages whose RECORD has the digest of a file.

    Args:
        root: The directory of the generation.
        path: The file, relative to `root`.
        claimants: The packages that list the file.
        digest: The SHA-256 of the file.

    Returns:
        Their names.

    Raises:
        OSError: The file is unreadable.

    """
    if digest is None:
        return set()
    return {
        name
        for name, expected in claimants
        if expected == digest
        or (":" in expected and has_digest(os.path.join(root, path), expected))
    }


def _sha256(root: str, path: str, digests: dict[str, str]) -> str | None:
    """Return the digest of a listed file, or None if it isn't a regular file.

    Args:
        root: The directory of the generation.
        path: The file, relative to `root`.
        digests: The digests of files that were hashed before. Receives this one.

    Returns:
        The SHA-256 in hexadecimal, or None.

    Raises:
        OSError: The file is missing or unreadable.

    """
    if path in digests:
        return digests[path]
    absolute = os.path.join(root, path)
    status = os.lstat(absolute)
    if not stat.S_ISREG(status.st_mode):
        return None
    digest = digests[path] = file_digest(absolute, status.st_size)
    return digest
