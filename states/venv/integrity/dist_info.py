"""Reading what installed wheels say of themselves: METADATA and RECORD.

Formats: the core metadata specification and "Recording installed projects", both at
https://packaging.python.org/en/latest/specifications/. Read with our own interpreter; no
code of the environment runs.
"""

from __future__ import annotations

import base64
import csv
import io
import os

from engine.system.files import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


_MOST = 1 << 25
"""In bytes: no wheel says so much of itself. What somebody planted may have no end."""


def normalize_name(name: str) -> str:
    """Return a project's name as PEP 503 compares them."""
    from packaging.utils import canonicalize_name

    return str(canonicalize_name(name))


def metadata_name(path: str) -> tuple[str, str]:
    """Return normalised name and version of a METADATA file; two empty strings if it has none."""
    name = version = ""
    try:
        lines = read_regular_file(path, _MOST).decode(errors="replace").split("\n")
    except OSError:
        return "", ""
    for line in lines:
        if not line.strip():
            break
        key, _, value = line.partition(":")
        if key.lower() == "name":
            name = normalize_name(value.strip())
        elif key.lower() == "version":
            version = value.strip()
    return name, version


def dist_infos(root: str) -> Iterator[str]:
    """Yield each `*.dist-info` folder of a venv, relative to it."""
    for site in site_packages(root):
        for name in sorted(os.listdir(os.path.join(root, site))):
            if name.endswith(".dist-info"):
                yield f"{site}/{name}"


def is_metadata(path: str, name: str) -> bool:
    """Tell whether a path, relative to a venv, is this file of an installed package's metadata.

    Not so of one that a package carries inside, as setuptools does of what it vendors.
    """
    match path.split("/"):
        case ["lib" | "lib64", _, "site-packages", folder, last]:
            return last == name and folder.endswith(".dist-info")
    return False


def site_packages(root: str) -> list[str]:
    """Return the folders that a venv installs into, relative to it."""
    found = []
    for lib in ("lib", "lib64"):
        if os.path.islink(os.path.join(root, lib)) or not os.path.isdir(os.path.join(root, lib)):
            continue
        for version in sorted(os.listdir(os.path.join(root, lib))):
            site = f"{lib}/{version}/site-packages"
            if os.path.isdir(os.path.join(root, site)):
                found.append(site)
    return found


def read_record(root: str, dist_info: str) -> list[tuple[str, str]]:
    """Return a RECORD's rows: path relative to the venv, SHA-256 in hexadecimal or empty.

    Raises `OSError` if there is none and `ValueError` if it cannot be read.
    """
    site = os.path.dirname(dist_info)
    rows = []
    text = read_regular_file(os.path.join(root, dist_info, "RECORD"), _MOST).decode()
    for row in _rows(text):
        if not row:
            continue
        path = os.path.normpath(os.path.join(site, row[0]))
        algorithm, _, value = (row[1] if len(row) > 1 else "").partition("=")
        if value and algorithm != "sha256":
            raise ValueError(f"RECORD of {dist_info} uses {algorithm}, not sha256")
        rows.append((path, _hexadecimal(value)))
    return rows


def _rows(text: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""))
    except csv.Error as error:
        raise ValueError(str(error)) from error


def record_paths(root: str, dist_info: str) -> set[str]:
    """Return the paths that a RECORD lists, and its folder; just the folder if unreadable."""
    inside = {f"{dist_info}/{name}" for name in os.listdir(os.path.join(root, dist_info))}
    try:
        return {path for path, _ in read_record(root, dist_info)} | inside | {dist_info}
    except (OSError, ValueError):
        return inside | {dist_info}


def _hexadecimal(value: str) -> str:
    """RECORD has URL-safe base64 without padding."""
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex() if value else ""
