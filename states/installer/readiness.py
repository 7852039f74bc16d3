"""Check what the installer needs from the host: programs, secrets, and local files."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING
from urllib.parse import unquote

import tomli
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from engine.errors import ConvergeError, NoInput, PermissionDenied
from engine.system.existence import exists, is_directory
from states.installer.credentials import require_netrc, resolve_index_url
from states.system.subprocesses import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import Any

    from states.installer import IndexOptions
    from states.system.subprocesses import User


def find_uv() -> str:
    """Return the path of uv.

    Raises:
        ConvergeError: It isn't installed.

    """
    try:
        program = str(find_uv_bin())
    except FileNotFoundError:
        program = ""
    if not os.access(program, os.X_OK):
        raise ConvergeError(
            f"the program `uv` is missing or not executable: `{program}`"
            if program
            else "the program `uv` isn't installed",
            hint="reinstall converge, or run `python -m pip install uv` in its environment",
        )
    return program


def require_sources(indexes: IndexOptions) -> None:
    """Check the secrets and the local directories that a venv names as sources.

    Raises:
        ConvergeError: A variable isn't set, or a text isn't one URL.
        NoInput: A file or a directory doesn't exist.
        OSError: A file can't be read.

    """
    urls = (
        indexes.index_url,
        *indexes.extra_index_url,
        *(url for _, url in indexes.package_indexes),
    )
    for url in filter(None, urls):
        resolve_index_url(url)
    if indexes.netrc:
        require_netrc(indexes.netrc)
    for place in indexes.find_links:
        path = unquote(place.removeprefix("file://")) if place.startswith("file://") else place
        if path.startswith("/") and not is_directory(path):
            raise NoInput(f"no such directory: `{path}` (from `find-links`)")


def require_ready(
    indexes: IndexOptions,
    lock: str,
    names: Collection[str],
    may_create: Callable[[str], bool],
) -> None:
    """Check that the installer can install packages, as far as the host decides that.

    Args:
        indexes: The sources.
        lock: A lock with one file for each package.
        names: The packages that have to be installed.
        may_create: Whether a path that doesn't exist may be created before the installation.

    Raises:
        ConvergeError: A program or a secret is missing.
        NoInput: A local file doesn't exist.

    """
    find_uv()
    require_sources(indexes)
    for name, source in package_sources(lock, names):
        path = source.get("path", "")
        if "commit-id" in source:
            require_git(name)
        elif path and not exists(path) and not may_create(path):
            raise NoInput(f"no such file: `{path}` (for {name})")


def require_wheels(lock: str, names: Collection[str], user: User) -> None:
    """Check that no package has to be built. A build would run the user's interpreter as root.

    Args:
        lock: A lock with one file for each package.
        names: The packages that have to be installed.
        user: The user who can change the interpreter.

    Raises:
        PermissionDenied: A package has no wheel.

    """
    for name, source in package_sources(lock, names):
        place = source.get("path") or source.get("url") or ""
        if not place.partition("?")[0].partition("#")[0].endswith(".whl"):
            raise PermissionDenied(
                f"{name} has no wheel, and {user.name} can change the interpreter that would "
                "build it",
                hint=f"provide a wheel of {name} through `find-links`, choose an interpreter that "
                f"belongs to root, or run converge as {user.name}",
            )


def require_git(name: str) -> None:
    """Check that Git is installed, which the installer starts.

    Raises:
        ConvergeError: It isn't.

    """
    if shutil.which("git", path=clean_environment("/")["PATH"]) is None:
        raise ConvergeError(
            f"{name} comes from a Git repository, and `git` isn't installed",
            hint="install the package `git` of your distribution",
        )


def package_sources(lock: str, names: Collection[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the source of each of these packages."""
    for package in tomli.loads(lock).get("packages", ()):
        name = canonicalize_name(package["name"])
        if name in names:
            yield from (
                (name, package[key])
                for key in ("vcs", "archive", "sdist", "directory")
                if key in package
            )
            yield from ((name, wheel) for wheel in package.get("wheels", ()))
