"""One declared resource."""

from __future__ import annotations

from engine.frozen import as_items, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from engine.kind import AnyKind


@frozen
class Resource:
    """A declared resource: its identity, its spec, and its dependencies."""

    kind: str
    name: str
    spec: Any
    """An instance of the kind's `spec` class."""
    needs: tuple[str, ...] = ()
    """Addresses of all dependencies, declared and implied, without duplicates."""
    file: str = ""
    """The declaring file: an absolute path or `<stdin>`."""

    @property
    def address(self) -> str:
        """`kind.name`: unique in a declaration, opaque to callers."""
        return f"{self.kind}.{self.name}"


def to_dict(resource: Resource) -> dict[str, Any]:
    """Return a resource in a form that JSON can represent. Specs are flat."""
    return {
        "kind": resource.kind,
        "name": resource.name,
        "spec": dict(as_items(resource.spec)),
        "needs": resource.needs,
        "file": resource.file,
    }


def from_dict(body: dict[str, Any], kinds: Mapping[str, AnyKind]) -> Resource:
    """Return the resource that `to_dict` turned into a dict, after a round trip through JSON.

    Raises:
        KeyError, TypeError, AttributeError: The dict has another shape, for example that of
            another version.

    """
    spec_class = kinds[body["kind"]].spec
    return Resource(
        kind=body["kind"],
        name=body["name"],
        spec=spec_class(**{name: _to_tuple(value) for name, value in body["spec"].items()}),
        needs=tuple(body["needs"]),
        file=body["file"],
    )


def _to_tuple(value: Any) -> Any:
    """Return a value with tuples in place of lists: JSON has no tuples."""
    return tuple(_to_tuple(item) for item in value) if isinstance(value, list) else value
