"""The dependency graph as text, DOT (Graphviz), or a Mermaid flowchart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.output.text import printable

if TYPE_CHECKING:
    from engine.resource import Resource

FORMATS = ("text", "dot", "mermaid")


def format_graph(order: tuple[Resource, ...], output_format: str) -> str:
    """Return resources with their dependencies in one of `FORMATS`, in the given order."""
    return {"text": _text, "dot": _dot, "mermaid": _mermaid}[output_format](order)


def _text(order: tuple[Resource, ...]) -> str:
    lines = []
    for resource in order:
        lines.append(printable(resource.address))
        for index, need in enumerate(resource.needs):
            corner = "└─" if index == len(resource.needs) - 1 else "├─"
            lines.append(f"  {corner} needs {printable(need)}")
    return "".join(f"{line}\n" for line in lines)


def _dot(order: tuple[Resource, ...]) -> str:
    def quote(address: str) -> str:
        return '"' + printable(address).replace("\\", "\\\\").replace('"', '\\"') + '"'

    nodes = [f"  {quote(resource.address)};\n" for resource in order]
    edges = [
        f"  {quote(need)} -> {quote(resource.address)};\n"
        for resource in order
        for need in resource.needs
    ]
    return "".join(["digraph converge {\n  rankdir=LR;\n", *nodes, *edges, "}\n"])


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
