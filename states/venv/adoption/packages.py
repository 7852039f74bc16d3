"""Read the packages and the interpreter of a venv that another tool created.

Another user may have written it, so nothing is executed, no symlink in it is followed, and both
sizes and numbers are limited. A file that can't be read doesn't prevent the adoption.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from engine.system.existence import is_symlink, resolve
from states.venv.integrity.dist_info import metadata_name, normalize_name
from states.venv.integrity.settings_file import minor_version, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PACKAGES = 2000
"""Packages that a preview shows."""
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
    attributes = {}
    python = _interpreter(root)
    if python:
        attributes["python"] = python
    for directory, metadata in metadata_dirs(root):
        try:
            name, version = metadata_name(f"{root}/{directory}/{metadata}")
        except OSError as error:
            name, version = _name_of(directory), f"unreadable ({error.strerror})"
        if name:
            attributes.setdefault(f"package.{name}", version or "unknown version")
    return attributes


def metadata_dirs(root: str) -> Iterator[tuple[str, str]]:
    """Yield up to `MAX_PACKAGES` metadata directories of packages, and the name of their file.

    Raises:
        OSError: A directory can't be listed.

    """
    count = 0
    for site in site_directories(root):
        for name in _subdirectories(f"{root}/{site}"):
            metadata = _SUFFIXES.get(os.path.splitext(name)[1])
            if metadata is not None and count < MAX_PACKAGES:
                count += 1
                yield f"{site}/{name}", metadata


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


def _name_of(directory: str) -> str:
    """Return the normalized name of a package by the name of its metadata directory."""
    return normalize_name(os.path.basename(directory).split("-")[0])
