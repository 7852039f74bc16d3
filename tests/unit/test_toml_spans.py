"""The position of each key and value in a TOML text."""

from __future__ import annotations

import pytest

from engine.declaration.toml_spans import Span, find_spans
from engine.table import Key

KEYS: dict[str, tuple[str, Key, str]] = {
    "a bare key": ("size = 1", ("size",), "size"),
    "a key after a comment": ("# size = 0\n  size = 1", ("size",), "size"),
    "a quoted key": ("'a b' = 1", ("a b",), "'a b'"),
    "an escaped key": (r'"\u0061" = 1', ("a",), r'"\u0061"'),
    "a part of a dotted key": ("a . b = 1", ("a", "b"), "b"),
    "a table": ("[a.b]\nc = 1", ("a", "b"), "b"),
    "a key in a table": ("[a.b]\nc = 1", ("a", "b", "c"), "c"),
    "a key that occurs twice": ("a.b = 1\na.c = 2", ("a",), "a"),
    "a key in an inline table": ("a = { b = 1, c = 2 }", ("a", "c"), "c"),
    "an element of an array of tables": ("[[a]]\nb = 1\n[[a]]\nb = 2", ("a", 1), "a"),
    "a key in an array of tables": ("[[a]]\nb = 1\n[[a]]\nc = 2", ("a", 1, "c"), "c"),
    "a table below an array of tables": ("[[a]]\n[a.b]\nc = 1", ("a", 0, "b", "c"), "c"),
}
VALUES: dict[str, tuple[str, Key, str]] = {
    "a number": ("a = 1_000 # one", ("a",), "1_000"),
    "a date": ("a = 2024-05-06 07:08:09", ("a",), "2024-05-06 07:08:09"),
    "a string with a quote": (r'a = "x\"y" # z', ("a",), r'"x\"y"'),
    "a literal string": (r"a = 'C:\' # z", ("a",), r"'C:\'"),
    "a string with brackets": ('a = ["]", "}"]', ("a", 1), '"}"'),
    "the first line of a multi-line string": ('a = """x\ny"""', ("a",), '"""x'),
    "a value after a multi-line string": ("a = '''\nb = 0'''\nb = 1", ("b",), "1"),
    "a string that ends in quotes": ('a = """x"""""', ("a",), '"""x"""""'),
    "an array": ("a = [1, [2, 3]]", ("a",), "[1, [2, 3]]"),
    "an element of a nested array": ("a = [1, [2, 3]]", ("a", 1, 0), "2"),
    "an element after a comment": ("a = [ # [\n  1,\n  2, # ]\n]", ("a", 1), "2"),
    "a value in an inline table": ("a = { b = { c = true } }", ("a", "b", "c"), "true"),
    "a character outside ASCII": ('a = "€", b = 1'.replace(", ", "\n"), ("b",), "1"),
}


def _text_at(text: str, span: Span) -> str:
    line = text.split("\n")[span.line - 1]
    return line[span.column - 1 : span.column - 1 + span.width]


@pytest.mark.parametrize("case", KEYS)
def test_key_is_found_at_its_first_occurrence(case: str) -> None:
    text, key, expected = KEYS[case]
    assert _text_at(text, find_spans(text)[0][key]) == expected


@pytest.mark.parametrize("case", VALUES)
def test_value_is_found_with_its_width(case: str) -> None:
    text, key, expected = VALUES[case]
    assert _text_at(text, find_spans(text)[1][key]) == expected


def test_line_endings_of_windows_change_no_span() -> None:
    text = 'a = """x\ny"""\n[b]\n# c = 0\nc = [\n  1,\n]\n'
    assert find_spans(text.replace("\n", "\r\n")) == find_spans(text)


def test_deep_nesting_has_no_spans() -> None:
    assert find_spans("a = " + "[" * 10_000 + "]" * 10_000) == ({}, {})


def test_empty_text_has_no_spans() -> None:
    assert find_spans("# empty\n") == ({}, {})
