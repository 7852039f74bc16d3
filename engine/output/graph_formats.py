"""The graph as text, as DOT (Graphviz) and as a Mermaid flowchart."""

from __future__ import annotations

from engine.output.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.resource import Resource

FORMATS = ("text", "dot", "mermaid")


def format_graph(order: tuple[Resource, ...], form: str) -> str:
    """Draw resources, in their order, and what each needs."""
    return {"text": _text, "dot": _dot, "mermaid": _mermaid}[form](order)


def _text(order: tuple[Resource, ...]) -> str:
    lines = []
    for one in order:
        lines.append(printable(one.address))
        for index, need in enumerate(one.needs):
            corner = "└─" if index == len(one.needs) - 1 else "├─"
            lines.append(f"  {corner} needs {printable(need)}")
    return "".join(f"{line}\n" for line in lines)


def _dot(order: tuple[Resource, ...]) -> str:
    def quote(word: str) -> str:
        return '"' + printable(word).replace("\\", "\\\\").replace('"', '\\"') + '"'

    nodes = [f"  {quote(one.address)};\n" for one in order]
    edges = [f"  {quote(n)} -> {quote(one.address)};\n" for one in order for n in one.needs]
    return "".join(["digraph converge {\n  rankdir=LR;\n", *nodes, *edges, "}\n"])


def _mermaid(order: tuple[Resource, ...]) -> str:
    names = {one.address: f"n{index}" for index, one in enumerate(order)}
    labels = {one.address: printable(one.address).replace('"', "#quot;") for one in order}
    nodes = [f'  {names[address]}["{label}"]\n' for address, label in labels.items()]
    edges = [f"  {names[n]} --> {names[one.address]}\n" for one in order for n in one.needs]
    return "".join(["flowchart LR\n", *nodes, *edges])
