"""The dependency graph as a tree, as DOT (Graphviz), or as a Mermaid flowchart."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.output.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.registry import KindRegistry
    from engine.resource import Resource

FORMATS = ("text", "dot", "mermaid")


def format_graph(order: tuple[Resource, ...], registry: KindRegistry, output_format: str) -> str:
    """Return resources with their dependencies in one of `FORMATS`.

    Args:
        order: The resources in topological order.
        registry: The kinds, for the shapes and labels of DOT.
        output_format: One of `FORMATS`.

    Returns:
        The text, which ends with a newline.

    """
    if output_format == "dot":
        return _dot(order, registry)
    return {"text": _text, "mermaid": _mermaid}[output_format](order)


def _text(order: tuple[Resource, ...]) -> str:
    """Return a tree of dependents. A resource with several dependencies is shown once whole."""
    dependents: dict[str, list[str]] = {resource.address: [] for resource in order}
    for resource in order:
        for need in resource.needs:
            dependents.setdefault(need, []).append(resource.address)
    seen: set[str] = set()
    lines: list[str] = []
    for resource in order:
        if not resource.needs:
            lines.append(printable(resource.address))
            lines += _branches(resource.address, dependents, seen)
    return "".join(f"{line}\n" for line in lines)


def _branches(
    address: str, dependents: Mapping[str, Sequence[str]], seen: set[str]
) -> Iterator[str]:
    """Walk the dependents of a resource, without recursion: a chain can be long.

    Args:
        address: The resource.
        dependents: The dependents of each resource.
        seen: The resources whose dependents were already shown.

    Yields:
        The lines below the resource.

    """
    pending = [(child, "", child == dependents[address][-1]) for child in dependents[address]]
    pending.reverse()
    while pending:
        child, prefix, is_last = pending.pop()
        repeated = child in seen and bool(dependents[child])
        corner = "└─" if is_last else "├─"
        yield f"{prefix}{corner} {printable(child)}{' (above)' if repeated else ''}"
        if repeated:
            continue
        seen.add(child)
        below = prefix + ("   " if is_last else "│  ")
        children = [(name, below, name == dependents[child][-1]) for name in dependents[child]]
        pending += reversed(children)


def _dot(order: tuple[Resource, ...], registry: KindRegistry) -> str:
    """Return the graph with one cluster for each file, and the path below each name."""
    lines = ["digraph converge {", "  rankdir=LR;", '  node [fontname="Helvetica"];']
    files = list(dict.fromkeys(resource.file for resource in order))
    for number, file in enumerate(files):
        indent = "  "
        if len(files) > 1:
            indent = "    "
            lines.append(f"  subgraph cluster_{number} {{")
            lines.append(f"    label={_quote(os.path.basename(file))};")
        for resource in order:
            if resource.file == file:
                kind = registry.kinds[resource.kind]
                path = next(iter(kind.owned_paths(resource.spec)), "")
                label = _quote(resource.address)[:-1]
                label += f"\\n{_quote(path)[1:-1]}" if path and path != resource.name else ""
                shape = kind.display.shape
                node = _quote(resource.address)
                lines.append(f'{indent}{node} [shape={shape}, label={label}"];')
        if len(files) > 1:
            lines.append("  }")
    lines += [
        f"  {_quote(need)} -> {_quote(resource.address)};"
        for resource in order
        for need in resource.needs
    ]
    return "".join(f"{line}\n" for line in [*lines, "}"])


def _quote(text: str) -> str:
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _mermaid(order: tuple[Resource, ...]) -> str:
    ids = {resource.address: f"n{index}" for index, resource in enumerate(order)}
    nodes = [
        f'  {node}["{printable(address).replace(chr(34), "#quot;")}"]\n'
        for address, node in ids.items()
    ]
    edges = [
        f"  {ids[need]} --> {ids[resource.address]}\n"
        for resource in order
        for need in resource.needs
    ]
    return "".join(["flowchart LR\n", *nodes, *edges])
