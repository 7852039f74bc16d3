"""Sort resources by their dependencies, and find cycles and overlapping paths."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

from engine.declaration.diagnostics import Diagnostic
from engine.declaration.parse import table_header
from engine.declaration.path_dependencies import add_path_dependencies
from engine.declaration.validate import key_of, suggest
from engine.frozen import fields, frozen
from engine.order.ready_queue import ReadyQueue

# networkx is imported in functions: only a declaration with a cycle needs it.

if TYPE_CHECKING:
    from collections.abc import Mapping

    import networkx

    from engine.declaration.build import Declaration
    from engine.kind import AnyKind
    from engine.resource import Resource
    from engine.table import Key


def sort_resources(declaration: Declaration, kinds: Mapping[str, AnyKind]) -> tuple[Resource, ...]:
    """Return the resources in topological order: each comes after its dependencies.

    It comes right after the last of them. Independent resources keep the declared order.

    Raises:
        DeclarationError: The declaration has errors, a dependency isn't declared, there is a
            dependency cycle, or two resources own the same path.

    """
    resources = add_path_dependencies(declaration.resources, kinds)
    queue = ReadyQueue(resources)
    order = []
    while queue:
        order.append(queue.pop())
        queue.mark_completed(order[-1].address)
    diagnostics = [
        *declaration.log.diagnostics,
        *_missing_dependencies(declaration),
        *_overlapping_paths(declaration, kinds),
    ]
    if len(order) < len(resources):  # The others wait for each other, or for what isn't declared.
        diagnostics += _cycles(resources)
    if diagnostics:
        raise declaration.error(*diagnostics)
    return tuple(order)


def build_graph(resources: tuple[Resource, ...]) -> networkx.DiGraph[str]:
    """Return the graph of addresses, with an edge from each dependency to its dependents."""
    import networkx

    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(resource.address for resource in resources)
    graph.add_edges_from(
        (need, resource.address) for resource in resources for need in resource.needs
    )
    return graph


def with_dependencies(resources: tuple[Resource, ...], addresses: set[str]) -> tuple[Resource, ...]:
    """Return the resources with these addresses and all their dependencies.

    Both the given and the returned resources are in topological order.
    """
    selected = set(addresses)
    for resource in reversed(resources):
        if resource.address in selected:
            selected.update(resource.needs)
    return tuple(resource for resource in resources if resource.address in selected)


def _missing_dependencies(declaration: Declaration) -> list[Diagnostic]:
    if not declaration.readable:
        return []
    addresses = sorted(declaration.addresses)
    return [
        Diagnostic(
            file=resource.file,
            key=_dependency_key(resource, need),
            message=f"`{resource.address}` needs `{need}`, which isn't declared",
            hint=suggest(need, addresses) or "declare it, or remove the dependency",
        )
        for resource in declaration.resources
        for need in resource.needs
        if need not in declaration.addresses
    ]


@frozen
class _OwnedPath:
    """A path that a resource owns, subtrees included."""

    path: str
    """Ends in a slash, so that `/a/` is a prefix of `/a/b/` but not of `/ab/`."""
    rank: int
    """The position among the paths of the resource. The first is that of its table."""
    resource: Resource


def _overlapping_paths(declaration: Declaration, kinds: Mapping[str, AnyKind]) -> list[Diagnostic]:
    """Return one diagnostic for each pair of resources whose paths are equal or nested."""
    owned = [
        _OwnedPath(os.path.join(path, ""), rank, resource)
        for resource in declaration.resources
        for rank, path in enumerate(kinds[resource.kind].owned_paths(resource.spec))
    ]
    overlaps = []
    outer: _OwnedPath | None = None
    # In sorted order, everything inside a path follows it directly.
    for inner in sorted(owned, key=lambda owned_path: owned_path.path):
        if outer is None or not inner.path.startswith(outer.path):
            outer = inner
        elif inner.resource is not outer.resource:
            overlaps.append((inner, outer))
    diagnostics: dict[tuple[str, str], Diagnostic] = {}
    for inner, outer in sorted(overlaps, key=lambda overlap: overlap[0].rank):
        pair = (inner.resource.address, outer.resource.address)
        diagnostics.setdefault(pair, _overlap(inner, outer))
    return list(diagnostics.values())


def _overlap(inner: _OwnedPath, outer: _OwnedPath) -> Diagnostic:
    resource, other = inner.resource, outer.resource
    if inner.path == outer.path:
        message = f"`{other.address}` and `{resource.address}` have the same path"
        tables = [f"`{table_header(table.kind, table.name)}`" for table in (other, resource)]
        hint = f"change `{inner.path.rstrip('/')}` in {' or '.join(tables)}"
    else:
        message = f"the path of `{resource.address}` is inside the path of `{other.address}`"
        paths = f"`{inner.path.rstrip('/')}` and `{outer.path.rstrip('/')}`"
        hint = f"change one of them: {paths}"
    return Diagnostic(
        file=resource.file,
        key=(resource.kind, resource.name, "path"),
        message=message,
        hint=hint,
        related=((other.file, (other.kind, other.name, "path")),),
    )


def _cycles(resources: tuple[Resource, ...]) -> list[Diagnostic]:
    """Return the diagnostic for the shortest cycle, or nothing if there is none."""
    import networkx

    graph = build_graph(resources)
    if networkx.is_directed_acyclic_graph(graph):
        return []
    return [_cycle({resource.address: resource for resource in resources}, graph)]


def _cycle(resources: Mapping[str, Resource], graph: networkx.DiGraph[str]) -> Diagnostic:
    """Return the diagnostic for the shortest cycle, with the location of each dependency."""
    # An edge goes from a dependency to its dependent. The message lists them in reverse.
    cycle = _shortest_cycle(graph)[::-1]
    rank = {address: index for index, address in enumerate(resources)}
    start = cycle.index(min(cycle, key=rank.__getitem__))
    cycle = [*cycle[start:], *cycle[:start]]
    closed = [*cycle, cycle[0]]
    locations = tuple(
        (resources[address].file, _dependency_key(resources[address], need))
        for address, need in itertools.pairwise(closed)
    )
    file, key = locations[0]
    return Diagnostic(
        file=file,
        key=key,
        message=f"dependency cycle: {' → '.join(closed)}",
        hint="remove one of these dependencies",
        related=locations[1:],
    )


def _shortest_cycle(graph: networkx.DiGraph[str]) -> list[str]:
    """Return the addresses of the shortest cycle. The graph must have one.

    One breadth-first search for each resource. Listing cycles with `networkx.simple_cycles`
    isn't an option, even with a length bound: see docs/adr/0014-libraries.md.
    """
    import networkx

    shortest: tuple[int, str, str] | None = None
    for start in graph:
        distances = networkx.single_source_shortest_path_length(graph, start)
        for end in graph.predecessors(start):
            if end in distances and (shortest is None or distances[end] < shortest[0]):
                shortest = (distances[end], start, end)
    assert shortest is not None
    _, start, end = shortest
    path: list[str] = networkx.shortest_path(graph, start, end)
    return path


def _dependency_key(resource: Resource, need: str) -> Key:
    """Return the key that causes a dependency: in `needs`, or a key that implies it."""
    table = (resource.kind, resource.name)
    for name in sorted(fields(resource.spec), key=lambda name: name != "needs"):
        value = getattr(resource.spec, name)
        if isinstance(value, str) and _refers_to(value, need):
            return (*table, key_of(name))
        if isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, str) and _refers_to(item, need):
                    return (*table, key_of(name), index)
    return table


def _refers_to(value: str, address: str) -> bool:
    return value == address or value.startswith(f"{address}:")
