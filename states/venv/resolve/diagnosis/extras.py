"""The extras that a package has, for a suggestion. Metadata that can't be read has none."""

from __future__ import annotations

import os
import zipfile
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING

import tomli

from engine.errors import ConvergeError
from states.venv.integrity.dist_info import normalize_name
from states.venv.resolve.fetch import Fetcher
from states.venv.resolve.references import local_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

_TIMEOUT_S = 5
"""Short, because a suggestion is optional."""
_MAX_SIZE = 1 << 20
"""Bytes of a METADATA file that are read."""


def extras_finder(packages: Iterable[Mapping[str, Any]], netrc: str) -> Callable[[str], list[str]]:
    """Return a function that returns the extras of a package in a lock.

    Args:
        packages: The entries of the packages.
        netrc: A netrc file with credentials, or empty.

    Returns:
        The function.

    """
    entries = {package["name"]: package for package in packages}
    read = Fetcher(netrc, _TIMEOUT_S, retries=0).read
    return lambda name: find_extras(entries.get(name, {}), read)


def find_extras(entry: Mapping[str, Any], read: Callable[[str], str | None]) -> list[str]:
    """Return the normalized names of the extras of a package in a lock.

    Args:
        entry: The entry of the package.
        read: Returns the text behind a URL.

    Returns:
        The names, sorted. Empty if the metadata can't be read without a build.

    """
    if "directory" in entry:
        return _project_extras(entry["directory"]["path"])
    wheels = [*entry.get("wheels", ()), entry.get("archive", {})]
    for wheel in wheels:
        url = wheel.get("url", "").partition("#")[0]
        path = wheel.get("path") or local_path(url)
        if path and path.endswith(".whl"):
            return _parse(_wheel_metadata(path))
        if url.endswith(".whl"):
            return _parse(_remote_metadata(url, read))
    return []


def _parse(metadata: bytes) -> list[str]:
    headers = BytesHeaderParser().parsebytes(metadata)
    return sorted({normalize_name(str(name)) for name in headers.get_all("Provides-Extra", ())})


def _wheel_metadata(path: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                if name.count("/") == 1 and name.endswith(".dist-info/METADATA"):
                    with wheel.open(name) as stream:
                        return stream.read(_MAX_SIZE)
    except (OSError, zipfile.BadZipFile):
        pass
    return b""


def _remote_metadata(url: str, read: Callable[[str], str | None]) -> bytes:
    """Return the metadata that an index offers beside a wheel (PEP 658)."""
    try:
        return (read(f"{url}.metadata") or "").encode()
    except ConvergeError:
        return b""


def _project_extras(path: str) -> list[str]:
    try:
        with open(os.path.join(path, "pyproject.toml"), "rb") as stream:
            extras = tomli.load(stream).get("project", {}).get("optional-dependencies", {})
        return sorted(map(normalize_name, extras))
    except (OSError, ValueError, AttributeError, TypeError):
        return []
