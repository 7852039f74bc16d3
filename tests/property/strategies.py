"""Hypothesis strategies for states, graphs, and valid and invalid declarations of widgets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import tomli_w
from hypothesis import strategies as st

Tables = dict[str, dict[str, Any]]
"""Tables of the widget kind, by name."""

any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
attributes = st.sampled_from(["color", "text", "size", "tags", "damage", "package.a", "file.b/c"])
states = st.none() | st.dictionaries(attributes, any_text, max_size=6)

names = st.text("abcdefghij", min_size=1, max_size=3)
"""A small set, so that names repeat."""


def tables(needs: st.SearchStrategy[list[str]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for one table without its path."""
    return st.fixed_dictionaries(
        {},
        optional={
            "text": any_text,
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
    """Return tables with distinct paths, in the order of the file.

    Dependencies point in any direction. They form no cycle unless `cycles` is true.
    """
    chosen = draw(st.lists(names, unique=True, max_size=8))
    rank = {name: index for index, name in enumerate(draw(st.permutations(chosen)))}
    chosen_tables = {}
    for name in chosen:
        others = [f"widget.{other}" for other in chosen if cycles or rank[other] < rank[name]]
        needs = st.lists(st.sampled_from(others), max_size=3) if others else st.just([])
        chosen_tables[name] = {"path": f"at-{name}", **draw(tables(needs))}
    return chosen_tables


def as_toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a TOML declaration of these tables."""
    return tomli_w.dumps({"widget": {name: dict(table) for name, table in tables.items()}})


def as_json(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a JSON declaration of these tables."""
    return json.dumps({"widget": tables})


_SCRAPS = st.sampled_from(
    ["[", "]", "{", "}", "=", '"', "'''", "\n", "#", ",", ".", "[widget.a]", "[[widget]]", "[defaults]",
     "path", "colour", "needs", "= 1", "= [", "= true", '= "a"', "widget", "\x00", "\t", "é", "💥",
     "1979-05-27", "0x", "nan", "1e999", "\\u0000", "https://ann:s3cret@host/", "\r", "\ufeff"],
)  # fmt: skip


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """Return a declaration with typing errors: deleted, repeated, and inserted pieces."""
    text: str = draw(widget_tables(cycles=True).map(draw(st.sampled_from([as_toml, as_json]))))
    for _ in range(draw(st.integers(0, 4))):
        start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        piece = draw(st.sampled_from(["", text[start:end], text[start:end] * 2]) | _SCRAPS)
        text = text[:start] + piece + text[end:]
    return text
