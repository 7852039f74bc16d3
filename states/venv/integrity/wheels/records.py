"""The RECORD files of a generation, and the files beside them, before any of those is hashed."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from engine.frozen import frozen
from states.venv.integrity.dist_info import dist_infos, metadata_name, read_record
from states.venv.integrity.inspection import winner
from states.venv.integrity.manifest import walk
from states.venv.integrity.mismatches import Mismatches
from states.venv.integrity.pyc_paths import has_bytecode_path, is_bytecode, pyc_path
from states.venv.layout import METADATA_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from states.venv.integrity.inspection import Claims


_SHA256 = re.compile(r"[0-9a-f]{64}")
_INTERPRETER = re.compile(r"bin/(?:python|pypy)[\d.]*t?")


@frozen
class Records:
    """The content of the RECORD files of a generation, and its files on disk."""

    root: str
    rows: Mapping[str, tuple[str, list[tuple[str, str]]]]
    """By package: the directory of its Python version, and the rows of its RECORD."""
    versions: Mapping[str, str]
    """The version of each package."""
    claims: Claims
    """The listed files, without bytecode."""
    files: Mapping[str, bool]
    """Every file on disk, without bytecode from wheels, and whether it is a regular file."""
    baseline: Mapping[str, str]
    """The digest of each file of the empty environment."""
    copied: Mapping[str, str]
    """The SHA-256 of each file that was hashed while it was copied, and that is still the same."""
    mismatches: Mismatches

    def unhashed(self) -> Iterator[str]:
        """Yield the regular files that a RECORD lists and whose digest isn't known."""
        for path in self.claims:
            if self.files.get(path) and path not in self.copied:
                yield path

    def sources(self) -> dict[str, str]:
        """Return the SHA-256 that each source without bytecode must have, if there is one."""
        sources = {}
        for path in (*self.unhashed(), *self.baseline):
            if not path.endswith(".py") or not has_bytecode_path(path, self.root):
                continue
            digest = self.baseline.get(path) or dict(self.claims[path]).get(self.owner(path), "")
            is_free = os.path.dirname(pyc_path(path, self.root)) not in self.files
            if is_free and _SHA256.fullmatch(digest):
                sources[path] = digest
        return sources

    def owner(self, path: str) -> str:
        """Return the package that installs a file, if the file is as its RECORD lists it."""
        return winner(self.claims.get(path, []))


def read_records(root: str, baseline: Mapping[str, str], copied: Mapping[str, str]) -> Records:
    """Read the RECORD files of a generation, and delete bytecode from wheels.

    Args:
        root: The directory of the generation.
        baseline: The digests of the empty environment.
        copied: The digests of files that were hashed while they were copied.

    Returns:
        The RECORD files, with the mismatches that they alone show.

    """
    mismatches = Mismatches()
    rows_by_name: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    versions: dict[str, str] = {}
    claims: Claims = {}
    for dist_info in dist_infos(root):
        name, version = metadata_name(os.path.join(root, dist_info, "METADATA"))
        versions[name] = version
        try:
            rows = read_record(root, dist_info)
        except ValueError as error:
            mismatches.add(f"unusable RECORD in {dist_info}: {error}", name)
            continue
        rows_by_name[name] = (dist_info.split("/")[1], rows)
        for path, digest in rows:
            if is_reserved(path, baseline):
                mismatches.add(f"{name} would replace `{path}`", name)
            if not is_bytecode(path):
                claims.setdefault(path, []).append((name, digest))
    files = dict(_files(root, copied))
    # Another claimant may have replaced a file after it was hashed during the copy.
    copied = {path: digest for path, digest in copied.items() if len(claims.get(path, ())) < 2}
    return Records(root, rows_by_name, versions, claims, files, baseline, copied, mismatches)


def is_reserved(path: str, baseline: Mapping[str, str]) -> bool:
    """Return whether a wheel must not install to a path.

    It is outside the venv, belongs to converge, or belongs to the empty environment.
    """
    return (
        path in baseline
        or path.startswith(("../", "/"))
        or path.partition("/")[0] == METADATA_DIR
        or _INTERPRETER.fullmatch(path) is not None
    )


def _files(root: str, copied: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    for path, entry in walk(root):
        if entry.is_dir(follow_symlinks=False):
            continue
        if is_bytecode(path) and path not in copied:
            os.unlink(f"{root}/{path}")
        else:
            yield path, entry.is_file(follow_symlinks=False)
