"""The report of `converge why` as text: one chain below another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from states.commands.text.table import Line


def format_chains(document: dict[str, Any]) -> Iterator[Line]:
    """Yield the lines of text for the chains to a package, in the form that `--json` prints."""
    yield [
        ("bold", f"{document['package']} {document['version']}"),
        ("", f"  {document['address']} "),
        ("dim", document["generation"]),
    ]
    for chain in document["chains"]:
        yield [("", f"  {chain['declared']}"), ("dim", f"  {chain['place']}")]
        for depth, step in enumerate(chain["steps"], 2):
            indent = "  " * depth
            asks = f"{step['package']} {step['version']} requires {step['requirement']}"
            yield [("", indent + asks)]
    if not document["chains"]:
        yield [("", "  No declared requirement requires it.")]
