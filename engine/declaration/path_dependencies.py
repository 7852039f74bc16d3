"""Dependencies that follow from paths: a resource needs those that own what it requires."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.frozen import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.kind import AnyKind
    from engine.resource import Resource


def add_path_dependencies(
    resources: tuple[Resource, ...], kinds: Mapping[str, AnyKind]
) -> tuple[Resource, ...]:
    """Return the resources with the dependencies that follow from their required paths.

    A dependency that would close a cycle isn't added: the declared order wins.
    """
    owners = {
        path: resource.address
        for resource in resources
        for path in kinds[resource.kind].owned_paths(resource.spec)
    }
    needs = {resource.address: resource.needs for resource in resources}
    for resource in resources:
        for path in kinds[resource.kind].required_paths(resource.spec):
            for owner in filter(None, map(owners.get, with_parents(path))):
                if not _reaches(owner, resource.address, needs):
                    needs[resource.address] = tuple(
                        dict.fromkeys((*needs[resource.address], owner))
                    )
    return tuple(replace(resource, needs=needs[resource.address]) for resource in resources)


def with_parents(path: str) -> Iterator[str]:
    """Yield a path and its parents, in the form of `Kind.owned_paths`."""
    parent, name = os.path.split(path)
    while name:
        yield os.path.join(os.path.realpath(parent), name)
        parent, name = os.path.split(parent)


def _reaches(start: str, end: str, needs: Mapping[str, tuple[str, ...]]) -> bool:
    """Return whether a resource is another one, or depends on it.

    Args:
        start: The address of the resource.
        end: The address of the other one.
        needs: The dependencies of each resource.

    Returns:
        Whether it is, or does.

    """
    pending, seen = [start], {start}
    while pending:
        address = pending.pop()
        if address == end:
            return True
        new = [need for need in needs.get(address, ()) if need not in seen]
        pending += new
        seen.update(new)
    return False
