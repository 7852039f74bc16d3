"""Group the packages outside of venvs: each application with its requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from states.global_installs.scan import Installed

INSTALLERS = frozenset({"pip", "setuptools", "wheel", "distribute"})
"""Packages that exist to install others. A venv of converge needs none of them."""


@frozen
class Application:
    """A package that no other one requires, with its requirements outside of venvs."""

    package: Installed
    requirements: tuple[Installed, ...]

    def members(self) -> tuple[Installed, ...]:
        """Return all packages."""
        return (self.package, *self.requirements)


def find_applications(
    packages: Sequence[Installed], used: Iterable[Installed], python_version: str
) -> list[Application]:
    """Return the applications among some packages. Each package belongs to at least one.

    Args:
        packages: The packages of one interpreter and one user that are outside of venvs.
        used: Those that a file of the host uses, or that have programs.
        python_version: The version of the interpreter, such as `3.11`, for markers.

    Returns:
        The applications, by name.

    """
    # Of several copies, the interpreter imports the first one.
    by_name = {p.distribution.name: p for p in reversed(packages)}
    for name in INSTALLERS:
        by_name.pop(name, None)
    edges = {name: _required(p, by_name, python_version) for name, p in by_name.items()}
    required = {name for names in edges.values() for name in names}
    used_names = {p.distribution.name for p in used if p.distribution.requested}
    roots = [name for name in sorted(by_name) if name not in required or name in used_names]
    covered = {name for root in roots for name in _closure(root, edges)}
    # Packages that require each other.
    for name in sorted(by_name):
        if name not in covered:
            roots.append(name)
            covered.update(_closure(name, edges))
    return [
        Application(by_name[root], tuple(by_name[n] for n in _closure(root, edges) if n != root))
        for root in roots
    ]


def _required(
    package: Installed, by_name: Mapping[str, Installed], python_version: str
) -> set[str]:
    """Return the names of the packages that a package requires.

    Args:
        package: The package.
        by_name: The packages outside of venvs. Others don't count.
        python_version: The version of the interpreter, for markers.

    Returns:
        The names.

    """
    environment = {"extra": "", "python_version": python_version}
    return {
        name
        for name in _requirement_names(package.distribution.requires, environment)
        if name in by_name and name != package.distribution.name
    }


def _requirement_names(requirements: Iterable[str], environment: dict[str, str]) -> Iterator[str]:
    # Imported here: a host without such packages doesn't need it.
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # Metadata of an old package.
        if requirement.marker is None or requirement.marker.evaluate(environment):
            yield canonicalize_name(requirement.name)


def _closure(root: str, edges: Mapping[str, set[str]]) -> list[str]:
    """Return a name, and the names that it requires, directly or not, sorted."""
    names, pending = {root}, [root]
    while pending:
        new = edges[pending.pop()] - names
        names |= new
        pending += new
    return sorted(names)
