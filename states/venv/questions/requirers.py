"""Find the requirements that brought a package into a venv, from the metadata on disk.

Formats: `Requires-Dist` of the core metadata specification, and PEP 508 for its markers.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from engine.frozen import frozen
from states.venv.integrity.dist_info import (
    dist_infos,
    metadata_name,
    normalize_name,
    required_distributions,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_Node = tuple[str, str]
"""A package and one of its extras, or an empty string for the package itself."""


@frozen
class Step:
    """A package that requires the next one of a chain."""

    package: str
    version: str
    requirement: str
    """The requirement, without its marker."""


class InstalledPackages:
    """The packages of a venv, with the requirements that apply there.

    Attributes:
        versions: The version of each package, by normalized name.

    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.versions: dict[str, str] = {}
        self._requirements: dict[str, list[Requirement]] = {}
        self._environment = environment

    def add(self, name: str, version: str, requirements: Iterable[str]) -> None:
        """Add a package.

        Args:
            name: Its normalized name.
            version: Its version.
            requirements: The requirements in its metadata. Invalid ones are skipped.

        """
        self.versions[name] = version
        self._requirements[name] = [*_parsed(requirements)]

    def unrequired(self) -> list[str]:
        """Return the packages that no other package requires, sorted."""
        required: set[str] = set()
        pending: list[_Node] = [(name, "") for name in self.versions]
        seen = set(pending)
        while pending:
            node = pending.pop()
            nodes = {following for _, group in self._following(node) for following in group}
            required.update(name for name, _ in nodes if name != node[0])
            pending += nodes - seen
            seen |= nodes
        return sorted(self.versions.keys() - required)

    def chain(self, declared: Requirement, package: str) -> list[Step] | None:
        """Return the shortest chain from a declared requirement to a package.

        Args:
            declared: The requirement.
            package: The normalized name of the package.

        Returns:
            The packages that require one another, the declared one first. The list is empty if the
            declared requirement names the package. None if there is no chain.

        """
        before: dict[_Node, tuple[_Node, str] | None] = dict.fromkeys(_nodes(declared))
        queue = deque(before)
        while queue:
            node = queue.popleft()
            if node[0] == package:
                return self._steps(before, node)
            for requirement, nodes in self._following(node):
                for following in nodes:
                    if following not in before:
                        before[following] = (node, requirement)
                        queue.append(following)
        return None

    def _following(self, node: _Node) -> Iterator[tuple[str, list[_Node]]]:
        """Yield each requirement of a package with one extra, and the nodes that it requires."""
        name, extra = node
        environment = {**self._environment, "extra": extra}
        for requirement in self._requirements.get(name, ()):
            if requirement.marker is None or requirement.marker.evaluate(environment):
                yield _text(requirement), _nodes(requirement)

    def _steps(self, before: Mapping[_Node, tuple[_Node, str] | None], node: _Node) -> list[Step]:
        steps: list[Step] = []
        while (link := before[node]) is not None:
            node, requirement = link
            steps.append(Step(node[0], self.versions.get(node[0], ""), requirement))
        return steps[::-1]


def installed_packages(root: str, environment: Mapping[str, str]) -> InstalledPackages:
    """Read the metadata of each installed package.

    Args:
        root: The directory of the generation.
        environment: The environment in which its interpreter evaluates markers.

    Returns:
        The packages.

    Raises:
        OSError: A METADATA file can't be read.

    """
    packages = InstalledPackages(environment)
    for dist_info in dist_infos(root):
        path = f"{root}/{dist_info}/METADATA"
        name, version = metadata_name(path)
        if name:
            packages.add(name, version, required_distributions(path))
    return packages


def _parsed(texts: Iterable[str]) -> Iterator[Requirement]:
    for text in texts:
        with suppress(InvalidRequirement):
            yield Requirement(text)


def _nodes(requirement: Requirement) -> list[_Node]:
    """Return the required package, alone and with each of the required extras."""
    name = normalize_name(requirement.name)
    return [(name, ""), *((name, extra) for extra in sorted(requirement.extras))]


def _text(requirement: Requirement) -> str:
    """Return a requirement without its marker."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    source = f" @ {requirement.url}" if requirement.url else str(requirement.specifier)
    return f"{requirement.name}{extras}{source}"
