"""Expand resources: every key with its value, and where it was declared."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Literal

from engine.declaration.path_dependencies import with_parents
from engine.declaration.validate import key_of
from engine.frozen import as_items, fields, frozen
from engine.output.snippets import locate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    from engine.declaration.build import Declaration, MergedTable
    from engine.kind import AnyKind
    from engine.resource import Resource
    from engine.table import Key

    Source: TypeAlias = Literal["table", "defaults", "file", "default"]

_SEPARATORS = re.compile(r"[-_.]+")


@frozen
class Place:
    """Where a value comes from."""

    source: Source
    """`table`, `defaults`, another `file` that the table names, or `default` for a key that isn't
    declared."""
    file: str = ""
    """Empty for `default`."""
    line: int = 0
    """0 if it is unknown, as for JSON."""
    column: int = 0


@frozen
class Edge:
    """A dependency, and the value that it follows from."""

    address: str
    key: Key
    """Empty if no single value contains it."""
    place: Place


@frozen
class Expanded:
    """One resource with every value, and its neighbors in the graph."""

    resource: Resource
    place: Place
    """The header of its table."""
    values: Mapping[str, Any]
    """As a declaration would contain them, by key."""
    places: Mapping[Key, Place]
    """The place of each value that isn't a table or an array. Empty ones also have one."""
    needs: tuple[Edge, ...]
    needed_by: tuple[str, ...]


def expand(
    resources: Sequence[Resource],
    order: Sequence[Resource],
    declaration: Declaration,
    kinds: Mapping[str, AnyKind],
) -> list[Expanded]:
    """Expand some resources of a declaration.

    Args:
        resources: The resources to expand.
        order: All resources, with all dependencies.
        declaration: The declaration that they come from.
        kinds: The kinds.

    Returns:
        The expanded resources.

    """
    owned = {
        resource.address: tuple(kinds[resource.kind].owned_paths(resource.spec))
        for resource in order
    }
    expanded = []
    for resource in resources:
        table = declaration.tables[resource.address]
        values = _values(resource, kinds[resource.kind])
        leaves = dict(_leaves(values, ()))
        places = {key: _place(key, table, declaration.texts) for key in leaves}
        header = _position(declaration.texts, resource.file, table.inputs.table, of_key=True)
        expanded.append(
            Expanded(
                resource,
                Place("table", resource.file, *header),
                values,
                places,
                tuple(_edge(need, leaves, places, owned[need]) for need in resource.needs),
                tuple(other.address for other in order if resource.address in other.needs),
            )
        )
    return expanded


def _values(resource: Resource, kind: AnyKind) -> dict[str, Any]:
    """Return the value of each key, except those that have none."""
    spec = resource.spec
    values = _table(spec)
    if kind.display.expand is not None:
        values.update({key: _plain(value) for key, value in kind.display.expand(spec).items()})
    return values


def _table(spec: Any) -> dict[str, Any]:
    columns = fields(spec)
    return {
        key_of(name): _plain(value)
        for name, value in as_items(spec)
        if not columns[name].computed and value is not None
    }


def _plain(value: Any) -> Any:
    """Return a value of a spec as JSON and TOML represent it."""
    if hasattr(value, "__fields__"):
        return _table(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _leaves(value: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    """Yield each value that contains no others, with its key."""
    items: Sequence[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    if not items and key:
        yield key, value
    for name, item in items:
        yield from _leaves(item, (*key, name))


def _place(key: Key, table: MergedTable, texts: dict[str, str]) -> Place:
    """Return the place of a value.

    Args:
        key: Its key in the table, which is that of the normalized spec.
        table: The table.
        texts: The content of each file.

    Returns:
        The place. If the value itself can't be found, that of the innermost key around it.

    """
    inputs, name = table.inputs, str(key[0])
    for length in range(len(key), 0, -1):
        if key[:length] in inputs.added:
            return Place("file", *inputs.added[key[:length]])
    if name not in table.content:
        return Place("default")
    declared = _declared_key(key[1:], table.content[name])
    if declared is None:
        return Place("default")
    file, location = inputs.origins.get(name, (inputs.file, inputs.table))
    line, column = _position(texts, file, (*location, name, *declared))
    return Place("defaults" if name in inputs.origins else "table", file, line, column)


def _declared_key(key: Key, content: Any) -> Key | None:
    """Return the declared form of a key below a value of a table.

    A kind may drop blank items of an array, and spell names of a nested table differently.

    Args:
        key: The normalized key.
        content: The declared value.

    Returns:
        The key, as far as the value contains it. None if a nested table doesn't have it.

    """
    declared: list[str | int] = []
    for part in key:
        if isinstance(content, dict):
            names = [part, *(name for name in content if _form(name) == _form(str(part)))]
            name = next((name for name in names if name in content), None)
            if name is None:
                return None
            declared.append(name)
            content = content[name]
        elif isinstance(content, list) and isinstance(part, int):
            filled = [index for index, item in enumerate(content) if str(item).strip()]
            if part >= len(filled):
                break
            declared.append(filled[part])
            content = content[filled[part]]
        else:
            break
    return tuple(declared)


def _form(name: str) -> str:
    return _SEPARATORS.sub("-", name).lower()


def _position(
    texts: dict[str, str], file: str, key: Key, *, of_key: bool = False
) -> tuple[int, int]:
    line, column, _ = locate(texts, file, key, of_key=of_key)
    return line, column


def _edge(
    need: str, leaves: Mapping[Key, Any], places: Mapping[Key, Place], owned: Sequence[str]
) -> Edge:
    """Return the edge to a dependency, with the first value that names it or a path of it.

    Args:
        need: The address of the dependency.
        leaves: The values of the resource.
        places: Their places.
        owned: The paths that the dependency owns.

    Returns:
        The edge.

    """
    for key, value in leaves.items():
        if isinstance(value, str) and (value == need or value.startswith(f"{need}:")):
            return Edge(need, key, places[key])
    for key, value in leaves.items():
        is_path = isinstance(value, str) and os.path.isabs(value)
        if is_path and not set(owned).isdisjoint(with_parents(value)):
            return Edge(need, key, places[key])
    return Edge(need, (), Place("default"))
