"""Read a venv that another tool created, for a declaration of it.

The venv may belong to another user, and it may be damaged. So nothing in it is executed, no
symlink in it is followed, and an unreadable part doesn't hide the others.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from packaging.version import Version

from engine import progress
from engine.errors import ConvergeError
from engine.frozen import frozen, replace
from engine.system.existence import entry_exists, is_directory, is_file, is_symlink, resolve
from engine.system.files import read_regular_file
from states.venv.adoption.accounts import Access, access_of, is_trusted
from states.venv.adoption.base_interpreter import BaseInterpreter, find_base_interpreter
from states.venv.adoption.closure import Roots, find_roots, marker_environment
from states.venv.adoption.distributions import EGG_LINK, Distribution, find_distributions
from states.venv.adoption.files import Content, Edited, inspect_files
from states.venv.adoption.packages import site_directories, stale_directories
from states.venv.adoption.system_links import SystemLinks, find_system_links
from states.venv.spec import Venv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MAX_DURATION_S = 600.0
"""Limit of the comparison of one venv."""
_ENVIRONMENT = ("bin", "lib", "lib64", "include", "Scripts")
"""Directories that belong to the environment itself, so that they can't be persistent."""
_MAX_SIZE = 1 << 16
"""In bytes, of `top_level.txt`."""
ROLE_FILES = ("requirements.txt", "constraints.txt", "global-constraints.txt")
"""Files that the role of OpenStack-Ansible writes into the directory of a venv."""


@frozen
class ExistingVenv:
    """A venv as it was read."""

    path: str
    sites: tuple[str, ...]
    """Its directories with packages, relative to it."""
    access: Access
    is_trusted: bool
    """Whether only root and the current user can change the recorded origins of packages."""
    base: BaseInterpreter
    packages: tuple[Distribution, ...]
    """Each installed package once, sorted by name."""
    duplicates: tuple[tuple[Distribution, Distribution], ...]
    """The package that counts, and another version of it that is also installed."""
    nameless: tuple[str, ...]
    """Metadata directories without a name."""
    stale_directories: tuple[str, ...]
    """Directories that a killed run of pip renamed and didn't delete."""
    roots: Roots
    links: SystemLinks
    content: Content
    persistent: tuple[str, ...]
    """Directories with files of users, outside of the environment itself."""

    def declarable(self) -> list[Distribution]:
        """Return the packages that a requirement can install again exactly."""
        return [package for package in self.packages if package.pin()]

    def unowned(self) -> list[str]:
        """Return the files that no package lists, and that nothing else in here explains."""
        explained = {*self.links.paths, *ROLE_FILES, *(path for path, _ in self.links.others)}
        return [
            path
            for path in self.content.unowned
            if path not in explained and not self._is_persistent(path)
        ]

    def carried(self) -> list[str]:
        """Return the files of users that a persistent directory carries along."""
        return [path for path in self.content.unowned if self._is_persistent(path)]

    def role_files(self) -> list[str]:
        """Return the files that the role of OpenStack-Ansible wrote."""
        return [path for path in self.content.unowned if path in ROLE_FILES]

    def edited_files(self, *, persistent: bool) -> list[Edited]:
        """Return the edited files inside, or outside, of the persistent directories."""
        return [
            file for file in self.content.edited if self._is_persistent(file.path) == persistent
        ]

    def _is_persistent(self, path: str) -> bool:
        return path.startswith(tuple(f"{name}/" for name in self.persistent))


def read_venv(path: str) -> ExistingVenv:
    """Read a venv.

    Args:
        path: Its absolute path, which may be a symlink.

    Returns:
        The venv, as far as it is readable.

    Raises:
        ConvergeError: There is no venv at the path.
        OSError: A directory can't be listed.

    """
    root = resolve(path)
    if not is_directory(root):
        raise ConvergeError(f"not a directory: `{path}`", hint="name the directory of a venv")
    sites = site_directories(root)
    if not sites:
        raise ConvergeError(
            f"not a venv: `{path}` has no `lib/python*/site-packages`",
            hint="name the directory that contains `bin` and `pyvenv.cfg`",
        )
    _require_venv(root, path, sites)
    progress.step("reading packages")
    base = find_base_interpreter(root)
    distributions, nameless = find_distributions(root)
    progress.step("comparing files")
    content = inspect_files(root, Venv(path=path), _MAX_DURATION_S)
    packages, duplicates = _select(distributions, content)
    content = replace(content, unowned=tuple(_unexplained(root, sites, distributions, content)))
    environment = marker_environment(base.version, base.implementation)
    return ExistingVenv(
        path=path,
        sites=tuple(sites),
        access=access_of(os.stat(root)),
        is_trusted=is_trusted(
            [root, *(f"{root}/{package.directory}" for package in distributions)]
        ),
        base=base,
        packages=packages,
        duplicates=duplicates,
        nameless=tuple(nameless),
        stale_directories=tuple(stale_directories(root)),
        roots=find_roots(packages, environment),
        links=find_system_links(root, sites, content.unowned),
        content=content,
        persistent=_persistent([*content.unowned, *(file.path for file in content.edited)]),
    )


def _require_venv(root: str, path: str, sites: Iterable[str]) -> None:
    """Check that a directory isn't the installation of an interpreter.

    An adoption would replace it. A venv whose `pyvenv.cfg` was deleted has no standard library.

    Args:
        root: The directory.
        path: Its path, for the message.
        sites: Its directories with packages.

    Raises:
        ConvergeError: It is one.

    """
    if entry_exists(f"{root}/pyvenv.cfg"):
        return
    for site in sites:
        library = os.path.dirname(site)
        if is_file(f"{root}/{library}/os.py") and not is_symlink(f"{root}/{library}/os.py"):
            raise ConvergeError(
                f"not a venv: `{path}` is the installation of an interpreter",
                hint="name the directory that contains `bin` and `pyvenv.cfg`",
            )


def _select(
    distributions: Iterable[Distribution], content: Content
) -> tuple[tuple[Distribution, ...], tuple[tuple[Distribution, Distribution], ...]]:
    """Return each package once, and the pairs of versions of one package.

    The version counts whose files are on the disk.
    """
    unusable = {directory for directory, _ in content.unusable}
    selected: dict[str, Distribution] = {}
    duplicates = []

    def rank(package: Distribution) -> tuple[bool, int, bool, Version]:
        is_usable = package.directory not in unusable
        matching = content.contested.get(package.directory, 0)
        return is_usable, matching, not package.problem, Version(package.version or "0")

    for package in distributions:
        other = selected.get(package.name)
        if other is None:
            selected[package.name] = package
            continue
        first, second = sorted((other, package), key=rank, reverse=True)
        selected[package.name] = first
        duplicates.append((first, second))
    return tuple(selected[name] for name in sorted(selected)), tuple(duplicates)


def _unexplained(
    root: str, sites: Iterable[str], distributions: Iterable[Distribution], content: Content
) -> Iterator[str]:
    """Yield the files that no package lists, except those of packages without a RECORD.

    Args:
        root: The directory of the venv.
        sites: Its directories with packages.
        distributions: All packages.
        content: The files.

    Yields:
        Paths, relative to the venv.

    """
    unusable = {directory for directory, _ in content.unusable}
    prefixes: list[str] = []
    for package in distributions:
        if package.directory in unusable or not package.directory.endswith(".dist-info"):
            names = _top_level(root, package)
            prefixes += [f"{site}/{name}{end}" for site in sites for name in names for end in "/."]
        if package.origin and package.origin.clone:
            prefixes.append(f"{os.path.relpath(package.origin.clone, root)}/")
    explained = tuple(prefixes)
    for path in content.unowned:
        is_develop = path.endswith((EGG_LINK, "/easy-install.pth"))
        if not is_develop and not path.startswith(explained):
            yield path


def _top_level(root: str, package: Distribution) -> list[str]:
    """Return the modules of a package, as setuptools recorded them, or else its own name."""
    try:
        text = read_regular_file(f"{root}/{package.directory}/top_level.txt", _MAX_SIZE).decode()
    except (OSError, ValueError):
        text = ""
    return [line for line in text.split() if "/" not in line] or [package.name.replace("-", "_")]


def _persistent(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the directories that contain files of users: `etc/nova`, or `etc` for `etc/a.conf`.

    Args:
        paths: Edited files, and files that no package lists.

    Returns:
        Directories whose names a declaration can contain, outside of the environment itself.

    """
    directories = set()
    for path in paths:
        parts = path.split("/")
        if len(parts) > 1 and parts[0] not in _ENVIRONMENT and path.isprintable():
            directories.add("/".join(parts[: 2 if len(parts) > 2 else 1]))
    outer = {directory for directory in directories if directory.split("/")[0] in directories}
    nested = {directory for directory in outer if "/" in directory}
    return tuple(sorted(directories - nested))
