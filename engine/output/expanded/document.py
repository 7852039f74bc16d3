"""Expanded resources as the JSON document of `converge show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from engine.output.expanded.expand import Expanded, Place


def expanded_documents(expanded: Sequence[Expanded]) -> list[dict[str, Any]]:
    """Return one document for each resource."""
    return [_document(resource) for resource in expanded]


def _document(expanded: Expanded) -> dict[str, Any]:
    resource = expanded.resource
    return {
        "address": resource.address,
        "kind": resource.kind,
        "name": resource.name,
        "file": resource.file,
        "line": expanded.place.line,
        "column": expanded.place.column,
        "values": dict(expanded.values),
        "places": [{"key": list(key), **_place(place)} for key, place in expanded.places.items()],
        "needs": [
            {"address": edge.address, "key": list(edge.key), **_place(edge.place)}
            for edge in expanded.needs
        ],
        "needed_by": list(expanded.needed_by),
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "source": place.source,
        "file": place.file or None,
        "line": place.line,
        "column": place.column,
    }
