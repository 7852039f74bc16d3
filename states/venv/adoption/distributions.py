"""Read the packages of a venv that another tool created, from their metadata directories."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.version import InvalidVersion, Version

from engine.errors import ConvergeError
from engine.frozen import frozen, replace
from engine.system.existence import entry_exists
from engine.system.files import read_regular_file
from states.venv.adoption.origins import Origin, local_project, read_origin
from states.venv.adoption.packages import metadata_dirs, name_in_directory, site_directories
from states.venv.integrity.dist_info import metadata_name, metadata_values, normalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,254}[A-Za-z0-9])?")
_MAX_SIZE = 1 << 16
"""In bytes, of an `.egg-link` or an INSTALLER."""
EGG_LINK = ".egg-link"
"""The suffix of a file that `setup.py develop` writes: its first line is a directory."""


@frozen
class Distribution:
    """An installed package, as far as its metadata is readable."""

    name: str
    """Normalized."""
    version: str
    """Empty if it isn't known."""
    directory: str
    """Its metadata directory, or its `.egg-link`, relative to the venv."""
    is_requested: bool = False
    """Whether the installer recorded that a person asked for it."""
    origin: Origin | None = None
    installer: str = ""
    """The name that the installer recorded, such as `pip`."""
    requires: tuple[str, ...] = ()
    """Its requirements (PEP 508)."""
    extras: tuple[str, ...] = ()
    problem: str = ""
    """A damage of its metadata."""

    @property
    def url(self) -> str:
        """The reference that installs it from the same place, or an empty string for an index."""
        return self.origin.url if self.origin else ""

    def pin(self) -> str:
        """Return the requirement that installs exactly this package, or an empty string."""
        if self.url:
            return f"{self.name} @ {self.url}"
        return f"{self.name}=={self.version}" if self.version else ""


def find_distributions(root: str) -> tuple[list[Distribution], list[str]]:
    """Return the packages of a venv, and the metadata directories without a name.

    A package may be installed twice, in several versions.

    Raises:
        OSError: A directory can't be listed.

    """
    distributions: list[Distribution] = []
    nameless = []
    for directory, metadata in metadata_dirs(root):
        distribution = _read(root, directory, metadata)
        if distribution.name:
            distributions.append(distribution)
        else:
            nameless.append(directory)
    by_uv = [package for package in distributions if package.installer == "uv"]
    if all(package.is_requested for package in by_uv):
        # UV-QUIRK(0.13): uv records each package as requested, including dependencies.
        distributions = [
            replace(package, is_requested=False) if package in by_uv else package
            for package in distributions
        ]
    distributions += _egg_links(root, {distribution.name for distribution in distributions})
    return distributions, nameless


def _read(root: str, directory: str, metadata: str) -> Distribution:
    """Read one metadata directory.

    Args:
        root: The directory of the venv.
        directory: The metadata directory, relative to `root`.
        metadata: The name of the file with the metadata.

    Returns:
        The package. If the file is unreadable, the directory has the name and the version.

    """
    path, problem = f"{root}/{directory}/{metadata}", ""
    requires: list[str] = []
    extras: list[str] = []
    try:
        name, version = metadata_name(path)
        if name:
            requires = metadata_values(path, "Requires-Dist")
            extras = metadata_values(path, "Provides-Extra")
    except OSError as error:
        name, version, problem = "", "", f"its {metadata} is unreadable: {error.strerror}"
    if not _NAME.fullmatch(name):
        name, version = name_in_directory(directory)
        name = name if version and _NAME.fullmatch(name) else ""
        problem = problem or f"its {metadata} is missing or has no name"
    if not _is_version(version):
        version, problem = "", problem or f"its version is invalid: `{version}`"
    return Distribution(
        name,
        version,
        directory,
        is_requested=_exists(f"{root}/{directory}/REQUESTED"),
        origin=read_origin(root, directory),
        installer=_installer(root, directory),
        requires=tuple(requires),
        extras=tuple(extras),
        problem=problem,
    )


def _egg_links(root: str, installed: set[str]) -> Iterator[Distribution]:
    """Yield the packages that only an `.egg-link` installs: `setup.py develop` did.

    Args:
        root: The directory of the venv.
        installed: The names of the packages with metadata in the venv.

    """
    for site in site_directories(root):
        for name in sorted(os.listdir(f"{root}/{site}")):
            package = normalize_name(name.removesuffix(EGG_LINK))
            if not name.endswith(EGG_LINK) or package in installed or not _NAME.fullmatch(package):
                continue
            origin = _linked_project(f"{root}/{site}/{name}", root)
            yield Distribution(package, "", f"{site}/{name}", is_requested=True, origin=origin)


def _linked_project(path: str, root: str) -> Origin:
    """Return the origin that an `.egg-link` names in its first line."""
    try:
        directory = read_regular_file(path, _MAX_SIZE).decode().split("\n")[0].strip()
    except (OSError, ValueError):
        directory = ""
    if not os.path.isabs(directory):
        return Origin(is_editable=True, problem=f"has an `{EGG_LINK}` without a directory")
    return local_project(f"file://{quote(directory)}", root, is_editable=True)


def _installer(root: str, directory: str) -> str:
    try:
        content = read_regular_file(f"{root}/{directory}/INSTALLER", _MAX_SIZE)
    except OSError:
        return ""
    return content.decode("utf-8", "replace").strip()


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _exists(path: str) -> bool:
    try:
        return entry_exists(path)
    except (OSError, ConvergeError):
        return False
