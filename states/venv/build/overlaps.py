"""Decide which package's file is installed if several packages contain the same path.

The installer writes packages in parallel, so without a rule the last write would win.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from engine import progress
from states.venv.build.install import install_again
from states.venv.build.installed import read_installed
from states.venv.integrity.inspection import is_contested, winner
from states.venv.integrity.record_hash import has_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from states.venv.build.stages import Draft


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
    installed = read_installed(draft.root, baseline)
    wins: dict[str, list[tuple[str, str]]] = {}
    for path, claimants in installed.claims.items():
        if is_contested(claimants):
            name = winner(claimants)
            wins.setdefault(name, []).append((path, dict(claimants)[name]))
    # In this order, the files of each package survive the installation of those before it.
    for name in sorted(wins):
        if not _are_installed(draft.root, wins[name]):
            progress.step(f"installing {name} again, over files of other packages")
            # UV-QUIRK(0.12): uv reads the cache again for `--reinstall`. Without its dist-info,
            # the package counts as missing. No file of another package is deleted.
            shutil.rmtree(f"{draft.root}/{installed.dist_infos[name]}")
            install_again(draft)


def _are_installed(root: str, rows: Iterable[tuple[str, str]]) -> bool:
    """Return whether each path has the digest beside it."""
    try:
        return all(has_digest(f"{root}/{path}", digest) for path, digest in rows)
    except OSError:
        return False
