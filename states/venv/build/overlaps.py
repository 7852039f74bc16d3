"""Decide which package's file is installed if several packages contain the same path.

The installer writes packages in parallel, so without a rule the last write would win.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine import progress
from states.venv.build.install import install_again
from states.venv.integrity.dist_info import dist_infos, metadata_name, read_record
from states.venv.integrity.inspection import is_contested, winner
from states.venv.integrity.pyc_paths import is_bytecode
from states.venv.integrity.record_check import is_reserved
from states.venv.integrity.record_hash import file_digest_like

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from states.venv.build.stages import Draft
    from states.venv.integrity.inspection import Claims


def settle_overlaps(draft: Draft, baseline: Mapping[str, str]) -> None:
    """Install each package again that must win an overlap, but whose file was overwritten.

    Call it after the installer. The files of a winner then depend neither on the installer's
    timing nor on the packages that were copied from other generations.

    Args:
        draft: The directory, with every package in it.
        baseline: The digests of the empty environment.

    Raises:
        RecordMismatch: The file of a package has another hash.
        ConvergeError: The installer failed.

    """
    names, claims = _read_claims(draft.root, baseline)
    wins: dict[str, list[tuple[str, str]]] = {}
    for path, claimants in claims.items():
        if is_contested(claimants):
            name = winner(claimants)
            wins.setdefault(name, []).append((path, dict(claimants)[name]))
    # In this order, the files of each package survive the installation of those before it.
    for name in sorted(wins):
        if not _are_installed(draft.root, wins[name]):
            progress.step(f"installing {name} again, over files of other packages")
            install_again(draft, names[name])


def _read_claims(root: str, baseline: Mapping[str, str]) -> tuple[dict[str, str], Claims]:
    """Read every usable RECORD. The check of the generation reports the others.

    Args:
        root: The directory of the generation.
        baseline: The digests of the empty environment.

    Returns:
        The metadata directory of each package, and the files that the RECORD files list.

    """
    names: dict[str, str] = {}
    claims: Claims = {}
    for dist_info in dist_infos(root):
        name, _ = metadata_name(f"{root}/{dist_info}/METADATA")
        try:
            rows = read_record(root, dist_info)
        except ValueError:
            continue
        names[name] = dist_info
        for path, digest in rows:
            if not is_bytecode(path) and not is_reserved(path, baseline):
                claims.setdefault(path, []).append((name, digest))
    return names, claims


def _are_installed(root: str, rows: Iterable[tuple[str, str]]) -> bool:
    """Return whether each path has the digest beside it."""
    try:
        return all(
            file_digest_like(digest, f"{root}/{path}", os.path.getsize(f"{root}/{path}")) == digest
            for path, digest in rows
        )
    except OSError:
        return False
