"""What may be put in: states, graphs, and declarations of the toy kind, right and wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import tomli_w
from hypothesis import strategies as st

Tables = dict[str, dict[str, Any]]
"""Tables of the toy kind, by name."""

anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
attributes = st.sampled_from(["color", "text", "size", "tags", "damage", "package.a", "file.b/c"])
states = st.none() | st.dictionaries(attributes, anything, max_size=6)

names = st.text("abcdefghij", min_size=1, max_size=3)
"""Few enough for one to be met twice."""


def tables(needs: st.SearchStrategy[list[str]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return strategies for one table, but for its path."""
    return st.fixed_dictionaries(
        {},
        optional={
            "text": anything,
            "color": st.sampled_from(["red", "blue"]),
            "size": st.integers(1, 2**40),
            "enabled": st.booleans(),
            "tags": st.lists(st.text("xyz", min_size=1, max_size=4), max_size=3),
            "state": st.sampled_from(["present", "absent"]),
            "needs": needs,
        },
    )


@st.composite
def widget_tables(draw: st.DrawFn, *, cycles: bool = False) -> Tables:
    """Return notes in the order of the text, with paths of their own.

    They need each other without a cycle, whatever their order, unless `cycles` may be.
    """
    chosen = draw(st.lists(names, unique=True, max_size=8))
    rank = {name: index for index, name in enumerate(draw(st.permutations(chosen)))}
    found = {}
    for name in chosen:
        others = [f"widget.{one}" for one in chosen if cycles or rank[one] < rank[name]]
        needs = st.lists(st.sampled_from(others), max_size=3) if others else st.just([])
        found[name] = {"path": f"at-{name}", **draw(tables(needs))}
    return found


def as_toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a declaration of these notes."""
    return tomli_w.dumps({"widget": {name: dict(table) for name, table in tables.items()}})


def as_json(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the same as JSON."""
    return json.dumps({"widget": tables})


_SCRAPS = st.sampled_from(
    ["[", "]", "{", "}", "=", '"', "'''", "\n", "#", ",", ".", "[widget.a]", "[[widget]]", "[defaults]",
     "path", "colour", "needs", "= 1", "= [", "= true", '= "a"', "widget", "\x00", "\t", "é", "💥",
     "1979-05-27", "0x", "nan", "1e999", "\\u0000", "https://ann:s3cret@host/", "\r", "\ufeff"],
)  # fmt: skip


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """Return a declaration as a hurried hand leaves it: pieces cut, repeated, put in between."""
    text = draw(widget_tables(cycles=True).map(draw(st.sampled_from([as_toml, as_json]))))
    for _ in range(draw(st.integers(0, 4))):
        start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        piece = draw(st.sampled_from(["", text[start:end], text[start:end] * 2]) | _SCRAPS)
        text = text[:start] + piece + text[end:]
    return text
