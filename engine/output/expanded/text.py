"""Expanded resources as text: TOML, with the place of each value in a comment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine.declaration.parse import table_header
from engine.output.text import printable
from engine.redaction import redact, redact_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    from engine.output.expanded.expand import Expanded, Place
    from engine.output.text import Paint
    from engine.table import Key

    Block: TypeAlias = list[tuple[str, Place | None]]
    """Lines that stay together, each with the place of its value."""

_MAX_COLUMN = 60
"""The comments of shorter lines begin in one column."""
_MAX_INLINE = 90
"""Maximum number of characters of an array in one line. A longer one has a line for each item."""


def format_expanded(expanded: Sequence[Expanded], paint: Paint) -> str:
    """Return expanded resources as a declaration with comments, declared keys first."""
    return "\n".join(
        "".join(f"{line}\n" for line in _lines(resource, paint)) for resource in expanded
    )


def _lines(expanded: Expanded, paint: Paint) -> Iterator[str]:
    resource = expanded.resource
    header = redact(table_header(resource.kind, resource.name))
    yield f"{paint('bold', _escaped(header))}  {paint('dim', f'# {_describe(expanded.place)}')}"
    blocks = [
        block
        for name, value in redact_all(dict(expanded.values)).items()
        for block in _blocks((name,), value, expanded.places)
    ]
    # The sort is stable: otherwise, keys keep the order of the reference.
    blocks.sort(key=lambda block: block[0][1] is not None and not block[0][1].file)
    rows = [row for block in blocks for row in block]
    width = max((len(text) for text, _ in rows if len(text) <= _MAX_COLUMN), default=0)
    for text, place in rows:
        comment = paint("dim", f"  # {_describe(place)}") if place is not None else ""
        yield text.ljust(width if comment else 0) + comment
    for title, edges in (
        ("after", [(edge.address, _reason(edge.key, edge.place)) for edge in expanded.needs]),
        ("before", [(address, "") for address in expanded.needed_by]),
    ):
        if edges:
            yield paint("dim", f"# applied {title}:")
        for address, reason in edges:
            yield paint("dim", f"#   {printable(address)}{reason}")


def _reason(key: Key, place: Place) -> str:
    return f"  (`{printable(str(key[0]))}`, {_describe(place)})" if key and place.file else ""


def _describe(place: Place) -> str:
    if not place.file:
        return "default"
    position = f"{printable(place.file)}:{place.line}" if place.line else printable(place.file)
    return f"{position} [defaults]" if place.source == "defaults" else position


def _blocks(key: Key, value: Any, places: Mapping[Key, Place]) -> Iterator[Block]:
    """Yield the lines of one value. The lines of an array stay together.

    Args:
        key: Its key in the table.
        value: The value.
        places: The place of each value.

    Yields:
        The lines, each with its place, if it has one.

    """
    name = ".".join(table_header(str(part))[1:-1] for part in key)
    if isinstance(value, dict) and value:
        for inner, item in value.items():
            yield from _blocks((*key, inner), item, places)
        return
    own = [place for at, place in places.items() if at[: len(key)] == key]
    inline = f"{name} = {_toml(value)}"
    if len(set(own)) == 1 and (len(own) == 1 or len(inline) <= _MAX_INLINE):
        yield [(inline, own[0])]
    else:
        items = [(f"    {_toml(item)},", place) for item, place in zip(value, own, strict=True)]
        yield [(f"{name} = [", None), *items, ("]", None)]


def _toml(value: Any) -> str:
    """Return a value as TOML. Strings of JSON are also strings of TOML, except for DEL."""
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        pairs = (f"{table_header(name)[1:-1]} = {_toml(item)}" for name, item in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    return _escaped(json.dumps(value, ensure_ascii=False))


def _escaped(text: str) -> str:
    """Return TOML in which characters that a terminal might interpret are escaped."""
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
