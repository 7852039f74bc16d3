"""One declared resource."""

from __future__ import annotations

from engine.frozen import as_items, fields, frozen

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
    """Return a resource in a form that JSON can represent."""
    return {
        "kind": resource.kind,
        "name": resource.name,
        "spec": _to_json(resource.spec),
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
        spec=_from_json(spec_class, body["spec"]),
        needs=tuple(body["needs"]),
        file=body["file"],
    )


def _to_json(spec: Any) -> dict[str, Any]:
    """Return the fields of a spec, with a dict in place of each nested table."""
    columns = dict(as_items(spec))
    for name, field in fields(spec).items():
        if field.table is not None and columns[name]:
            columns[name] = {key: _to_json(table) for key, table in columns[name].items()}
    return columns


def _from_json(spec_class: Any, columns: Mapping[str, Any]) -> Any:
    """Return the spec that `_to_json` turned into a dict."""
    tables = {name: field.table for name, field in fields(spec_class).items() if field.table}
    return spec_class(
        **{
            name: {key: _from_json(tables[name], table) for key, table in value.items()}
            if name in tables
            else _to_tuple(value)
            for name, value in columns.items()
        }
    )


def _to_tuple(value: Any) -> Any:
    """Return a value with tuples in place of lists: JSON has no tuples."""
    return tuple(_to_tuple(item) for item in value) if isinstance(value, list) else value
