"""Distinguish the packages that a person requested from their dependencies."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from packaging.markers import UndefinedEnvironmentName, default_environment
from packaging.requirements import InvalidRequirement, Requirement

from engine.frozen import frozen
from states.venv.integrity.dist_info import normalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from states.venv.adoption.distributions import Distribution

SEEDS = ("pip", "setuptools", "wheel")
"""Packages that venv and virtualenv install into an empty environment."""


@frozen
class Roots:
    """The packages that a declaration has to name, so that it requires all installed ones."""

    requested: Mapping[str, tuple[str, ...]]
    """Each requested package, and the extras whose requirements are installed."""
    unrequired: tuple[str, ...]
    """Others that no package requires. Often a previous version of a package required them."""
    seeds: tuple[str, ...]
    """Packages of an empty environment that nothing requires."""
    is_recorded: bool
    """Whether the installer recorded requests. Otherwise, all that none requires are requested."""
    unsatisfied: tuple[str, ...]
    """Requirements of installed packages that the installed versions don't satisfy."""


def marker_environment(version: str, implementation: str) -> dict[str, str]:
    """Return the environment in which an interpreter on this host evaluates markers.

    Args:
        version: Its version, such as `3.12.3`, or an empty string for that of this process.
        implementation: Its name, such as `CPython` or `PyPy`, or an empty string.

    Returns:
        The environment, without the interpreter being started.

    """
    environment = {name: str(value) for name, value in default_environment().items()}
    if version:
        environment["python_version"] = ".".join(version.split(".")[:2])
        environment["python_full_version"] = version
    if implementation.lower() == "pypy":
        environment |= {
            "implementation_name": "pypy",
            "platform_python_implementation": "PyPy",
        }
    return environment


def find_roots(distributions: Iterable[Distribution], environment: Mapping[str, str]) -> Roots:
    """Find the packages that a declaration has to name.

    Args:
        distributions: The installed packages, each once.
        environment: The environment for markers.

    Returns:
        The packages.

    """
    graph = _Graph({distribution.name: distribution for distribution in distributions}, environment)
    requested = {name for name, package in graph.packages.items() if package.is_requested}
    is_recorded = bool(requested - set(SEEDS))
    roots: dict[str, tuple[str, ...]] = dict.fromkeys(sorted(requested), ())
    if not is_recorded:
        roots |= dict.fromkeys(graph.tops(set(roots)), ())
    graph.add_extras(roots)
    others = graph.tops(graph.reach(roots))
    seeds = tuple(name for name in others if name in SEEDS)
    unrequired = tuple(name for name in others if name not in SEEDS)
    return Roots(roots, unrequired, seeds, is_recorded, tuple(graph.unsatisfied()))


class _Graph:
    """The requirements between installed packages."""

    def __init__(
        self, packages: Mapping[str, Distribution], environment: Mapping[str, str]
    ) -> None:
        self.packages = packages
        self.environment = environment

    @cached_property
    def _requirements(self) -> dict[str, list[Requirement]]:
        return {name: [*_parse(package.requires)] for name, package in self.packages.items()}

    def required_by(self, name: str, extras: Iterable[str]) -> list[Requirement]:
        """Return the requirements of a package with extras that apply in the environment."""
        return [
            requirement
            for requirement in self._requirements.get(name, ())
            if any(self._applies(requirement, extra) for extra in ("", *extras))
        ]

    def _applies(self, requirement: Requirement, extra: str) -> bool:
        if requirement.marker is None:
            return True
        try:
            return requirement.marker.evaluate({**self.environment, "extra": extra})
        except UndefinedEnvironmentName:
            return False

    def reach(self, roots: Mapping[str, tuple[str, ...]]) -> set[str]:
        """Return the installed packages that some packages require, including themselves."""
        pending = [*roots.items()]
        visited: set[tuple[str, tuple[str, ...]]] = set()
        while pending:
            package = pending.pop()
            if package in visited or package[0] not in self.packages:
                continue
            visited.add(package)
            for requirement in self.required_by(*package):
                extras = tuple(sorted(requirement.extras))
                pending.append((normalize_name(requirement.name), extras))
        return {name for name, _ in visited}

    def tops(self, reached: set[str]) -> list[str]:
        """Return a few packages that require all others that aren't reached, sorted."""
        rest = set(self.packages) - self.reach(dict.fromkeys(reached, ()))
        rest -= reached
        required = {
            normalize_name(requirement.name)
            for name in rest
            for requirement in self.required_by(name, ())
            if normalize_name(requirement.name) != name
        }
        tops: dict[str, tuple[str, ...]] = dict.fromkeys(sorted(rest - required), ())
        # Packages may require each other in a cycle.
        while missing := rest - self.reach(tops):
            tops[min(missing)] = ()
        return sorted(tops)

    def add_extras(self, roots: dict[str, tuple[str, ...]]) -> None:
        """Add each extra of a root that explains a package, and that is installed completely."""
        for name in roots:
            for extra in sorted(self.packages[name].extras):
                reached = self.reach(roots)
                plain = self.required_by(name, ())
                added = [r for r in self.required_by(name, (extra,)) if r not in plain]
                names = {normalize_name(requirement.name) for requirement in added}
                if names - reached and all(self._is_satisfied(r) for r in added):
                    roots[name] = (*roots[name], extra)

    def _is_satisfied(self, requirement: Requirement) -> bool:
        package = self.packages.get(normalize_name(requirement.name))
        if package is None:
            return False
        version = package.version
        return not version or requirement.specifier.contains(version, prereleases=True)

    def unsatisfied(self) -> Iterator[str]:
        """Yield a text for each requirement that no installed version satisfies."""
        for name, package in sorted(self.packages.items()):
            for requirement in self.required_by(name, ()):
                if not self._is_satisfied(requirement):
                    other = self.packages.get(normalize_name(requirement.name))
                    state = f"{other.version} is installed" if other else "it isn't installed"
                    wanted = f"{requirement.name}{requirement.specifier}"
                    yield f"{name} {package.version} requires {wanted}, and {state}"


def _parse(requires: Iterable[str]) -> Iterator[Requirement]:
    for text in requires:
        try:
            yield Requirement(text)
        except InvalidRequirement:
            continue  # Installers of old metadata also ignored it.
