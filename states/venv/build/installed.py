"""The packages that the installer has put into a generation, by their RECORD files."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.frozen import frozen
from states.venv.integrity.dist_info import dist_infos, metadata_name, read_record
from states.venv.integrity.pyc_paths import is_bytecode
from states.venv.integrity.wheels.records import is_reserved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from states.venv.integrity.inspection import Claims


@frozen
class Installed:
    """The packages with a usable RECORD. The check of the generation reports the others."""

    root: str
    """The directory of the generation."""
    dist_infos: dict[str, str]
    """The metadata directory of each package, relative to the generation."""
    claims: Claims
    """The listed files that a package may install, without bytecode."""

    def files(self, name: str) -> dict[str, str]:
        """Return the digest of each file that the RECORD of a package lists."""
        return {
            path: dict(claimants)[name]
            for path, claimants in self.claims.items()
            if name in dict(claimants)
        }

    def remove(self, name: str) -> None:
        """Delete a package, except for the files that other packages also list."""
        for path in self.files(name):
            if len(self.claims[path]) == 1:
                with suppress(FileNotFoundError):
                    os.unlink(f"{self.root}/{path}")
        shutil.rmtree(f"{self.root}/{self.dist_infos[name]}")


def read_installed(root: str, baseline: Mapping[str, str]) -> Installed:
    """Read the RECORD files of a generation.

    Args:
        root: The directory of the generation.
        baseline: The digests of the empty environment, whose files no package may replace.

    Returns:
        The packages.

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
    return Installed(root, names, claims)
