"""Read the packages and the interpreter of a venv that another tool created.

Another user may have written it, so nothing is executed, no symlink in it is followed, and both
sizes and numbers are limited. A file that can't be read doesn't prevent the adoption.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from engine.system.existence import is_symlink, resolve
from states.venv.adoption.origins import read_origin
from states.venv.integrity.dist_info import metadata_name, normalize_name
from states.venv.integrity.receipt import Package
from states.venv.integrity.settings_file import minor_version, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PACKAGES = 2000
"""Packages that a preview shows."""
STALE_PREFIX = "~"
"""The first character of a directory that pip renamed, and that a killed run didn't delete."""
_SUFFIXES = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?")
_PATH = re.compile(r"/[ -~]{1,4000}")


def adopted_attributes(root: str) -> dict[str, str]:
    """Return the attributes of the interpreter and of each package, as far as they are readable.

    Args:
        root: The directory, or a symlink to it.

    Returns:
        The attributes `python` and `package.NAME`.

    Raises:
        OSError: A directory can't be listed.

    """
    attributes: dict[str, str] = {}
    versions: dict[str, str] = {}
    python = _interpreter(root)
    if python:
        attributes["python"] = python
    for directory, metadata in metadata_dirs(root):
        try:
            name, version = metadata_name(f"{root}/{directory}/{metadata}")
        except OSError as error:
            name, _ = name_in_directory(directory)
            version = f"unreadable ({error.strerror})"
        if not name:
            name, version = name_in_directory(directory)
            name = name if version else ""
        if name and _rank(version) >= _rank(versions.get(name, "")):
            versions[name] = version
            attributes[f"package.{name}"] = _identity(root, directory, version)
    return attributes


def _rank(version: str) -> tuple[bool, Version]:
    """Return the sort key of the versions of one package: the newest one counts."""
    try:
        return True, Version(version)
    except InvalidVersion:
        return False, Version("0")


def _identity(root: str, directory: str, version: str) -> str:
    """Return the form in which plans show a package.

    Args:
        root: The directory of the venv.
        directory: The metadata directory, relative to `root`.
        version: The version, if it is known.

    Returns:
        The version, and the recorded origin. The content of a local project isn't recorded.

    """
    origin = read_origin(root, directory)
    if origin is None or not origin.url or not version:
        return version or "unknown version"
    url, _, fragment = origin.url.partition("#")
    parts = [part for part in fragment.split("&") if not part.startswith("sha256=") and part]
    if url.startswith("git+"):
        url = f"{url.removesuffix(origin.content)}{origin.content[:12]}"
    url += f"#{'&'.join(parts)}" if parts else ""
    return Package("", version, url, origin.content).identity()


def metadata_dirs(root: str) -> Iterator[tuple[str, str]]:
    """Yield up to `MAX_PACKAGES` metadata directories of packages, and the name of their file.

    Raises:
        OSError: A directory can't be listed.

    """
    count = 0
    for site in site_directories(root):
        for name in _subdirectories(f"{root}/{site}"):
            metadata = _SUFFIXES.get(os.path.splitext(name)[1])
            is_installed = metadata is not None and not name.startswith(STALE_PREFIX)
            if metadata is not None and is_installed and count < MAX_PACKAGES:
                count += 1
                yield f"{site}/{name}", metadata


def stale_directories(root: str) -> list[str]:
    """Return the directories that a killed run of pip left, relative to a venv.

    Raises:
        OSError: A directory can't be listed.

    """
    return [
        f"{site}/{name}"
        for site in site_directories(root)
        for name in _subdirectories(f"{root}/{site}")
        if name.startswith(STALE_PREFIX)
    ]


def site_directories(root: str) -> list[str]:
    """Return the `site-packages` directories of a venv, relative to it.

    Raises:
        OSError: A directory can't be listed.

    """
    return [
        f"{lib}/{version}/site-packages"
        for lib in ("lib", "lib64")
        if not is_symlink(f"{root}/{lib}")
        for version in _subdirectories(f"{root}/{lib}")
        if "site-packages" in _subdirectories(f"{root}/{lib}/{version}")
    ]


def _subdirectories(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _interpreter(root: str) -> str:
    """Return version and path of the base interpreter, by `pyvenv.cfg` (PEP 405), if known."""
    try:
        settings = read_settings(root)
    except OSError:
        return ""
    version = _VERSION.match(settings.get("version", settings.get("version_info", "")))
    if version is None:
        return ""
    paths = (settings.get("base-executable"), settings.get("executable"))
    path = next(filter(None, paths), f"{settings.get('home', '')}/python{minor_version(settings)}")
    if not _PATH.fullmatch(path):
        return version[0]
    try:
        return f"{version[0]} {resolve(path)}"
    except OSError:
        return f"{version[0]} {path}"


def name_in_directory(directory: str) -> tuple[str, str]:
    """Return the normalized name and the version in the name of a metadata directory.

    Returns:
        An empty version, or two empty strings, if the name doesn't contain it.

    """
    name, _, version = os.path.splitext(os.path.basename(directory))[0].partition("-")
    # The name of an egg ends with the version of Python.
    return normalize_name(name), version.partition("-")[0]
