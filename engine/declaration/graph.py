"""Resources in one stable order after what they need; a cycle as a closed path."""

from __future__ import annotations

import os

from engine.declaration.diagnostics import Diagnostic, Key
from engine.declaration.validate import key_of, suggest
from engine.frozen import fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    import networkx

    from engine.declaration.build import Declaration
    from engine.kind import AnyKind
    from engine.resource import Resource


def sort_resources(declared: Declaration, kinds: Mapping[str, AnyKind]) -> tuple[Resource, ...]:
    """Return the resources in an order where each comes after its needs.

    Ties keep the order of the text. Raises `DeclarationError` for all that was found wrong
    before, for needs that name nothing, for a cycle, and for two resources that lay claim
    to one path.
    """
    import networkx

    by_address = {one.address: one for one in declared.resources}
    problems = [*declared.notes.problems, *_dangling(declared), *_overlaps(declared, kinds)]
    graph = build_graph(declared.resources)
    if not networkx.is_directed_acyclic_graph(graph):
        problems.append(_cycle(by_address, graph))
    if problems:
        raise declared.error(*problems)
    rank = {address: index for index, address in enumerate(by_address)}
    order = networkx.lexicographical_topological_sort(graph, key=rank.__getitem__)
    return tuple(by_address[address] for address in order)


def build_graph(resources: tuple[Resource, ...]) -> networkx.DiGraph[str]:
    """Return the graph of addresses; an edge leads from a need to what needs it."""
    import networkx

    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(one.address for one in resources)
    graph.add_edges_from((need, one.address) for one in resources for need in one.needs)
    return graph


def with_dependencies(resources: tuple[Resource, ...], wanted: set[str]) -> tuple[Resource, ...]:
    """Return the wanted resources and all that they need, in the given (topological) order."""
    keep = set(wanted)
    for one in reversed(resources):
        if one.address in keep:
            keep.update(one.needs)
    return tuple(one for one in resources if one.address in keep)


def _dangling(declared: Declaration) -> list[Diagnostic]:
    if not declared.readable:
        return []
    known = sorted(declared.addresses)
    problems = []
    for one in declared.resources:
        for need in one.needs:
            if need not in declared.addresses:
                problems.append(
                    Diagnostic(
                        file=one.file,
                        key=_edge_key(one, need),
                        message=f"`{one.address}` needs `{need}`, which is not declared",
                        hint=suggest(need, known) or "declare it, or leave the need out",
                    )
                )
    return problems


def _overlaps(declared: Declaration, kinds: Mapping[str, AnyKind]) -> list[Diagnostic]:
    """Find two claims on one path, or on a path and something inside it; each pair once."""
    claims = sorted(
        ((os.path.join(path, ""), rank, one) for one in declared.resources
         for rank, path in enumerate(kinds[one.kind].owned_paths(one.spec))),
        key=lambda claim: claim[0],
    )  # fmt: skip
    found = []
    outer = None
    for path, rank, one in claims:
        # Sorted, all that lies inside a path follows it at once.
        if outer is None or not path.startswith(outer[0]):
            outer = path, one
        elif one is not outer[1]:
            found.append((rank, path, one, *outer))
    told: dict[tuple[str, str], Diagnostic] = {}
    # What a resource claims first is its own path, which its table names.
    for _, path, one, around, other in sorted(found, key=lambda each: each[0]):
        told.setdefault((one.address, other.address), _overlap(path, one, around, other))
    return [*told.values()]


def _overlap(path: str, one: Resource, outer: str, other: Resource) -> Diagnostic:
    relation = "is also that of" if outer == path else "lies inside that of"
    return Diagnostic(
        file=one.file,
        key=(one.kind, one.name, "path"),
        message=f"the path of `{one.address}` {relation} `{other.address}`",
        hint=f"`{path.rstrip('/')}` and `{outer.rstrip('/')}`: give each a path of its own",
        notes=((other.file, (other.kind, other.name, "path")),),
    )


def _cycle(by_address: Mapping[str, Resource], graph: networkx.DiGraph[str]) -> Diagnostic:
    """Describe the shortest cycle as a closed path, with the place of each edge."""
    rank = {address: index for index, address in enumerate(by_address)}
    # Edges lead from a need to what needs it; people read "needs" the other way round.
    cycle = list(reversed(_shortest_cycle(graph, rank)))
    start = cycle.index(min(cycle, key=rank.__getitem__))
    cycle = cycle[start:] + cycle[:start]
    pairs = list(zip(cycle, cycle[1:] + cycle[:1], strict=True))
    edges = [(by_address[one].file, _edge_key(by_address[one], need)) for one, need in pairs]
    return Diagnostic(
        file=edges[0][0],
        key=edges[0][1],
        message=f"these wait for each other: {' → '.join([*cycle, cycle[0]])}",
        hint="drop one of these needs",
        notes=tuple(edges[1:]),
    )


def _shortest_cycle(graph: networkx.DiGraph[str], rank: Mapping[str, int]) -> list[str]:
    # Not by listing all cycles: of those, thirty resources can have billions.
    return min(filter(None, (_back_to(one, graph) for one in rank)), key=len)


def _back_to(start: str, graph: networkx.DiGraph[str]) -> list[str]:
    """Return the shortest way from an address back to it, without its end; empty for none."""
    before = {start: start}
    reached = [start]
    for one in reached:  # it grows meanwhile
        for after in graph[one]:
            if after == start:
                way = [one]
                while way[-1] != start:
                    way.append(before[way[-1]])
                return way[::-1]
            if after not in before:
                before[after] = one
                reached.append(after)
    return []


def _edge_key(one: Resource, need: str) -> Key:
    """Find the key that makes a resource need another: in `needs`, or the one that implies it."""
    where = (one.kind, one.name)
    for name in sorted(fields(one.spec), key=lambda name: name != "needs"):
        value = getattr(one.spec, name)
        if isinstance(value, str) and _names(value, need):
            return (*where, key_of(name))
        if isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, str) and _names(item, need):
                    return (*where, key_of(name), index)
    return where


def _names(value: str, need: str) -> bool:
    return value == need or value.startswith(f"{need}:")
