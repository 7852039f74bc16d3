"""Parsing one file: the message and the position of each syntax error."""

from __future__ import annotations

import sys

import pytest

from engine.declaration.inputs import InputLog
from engine.declaration.parse import is_json, parse, table_header
from engine.declaration.source_file import SourceFile


def _parse(content: str) -> tuple[dict[str, object], list[tuple[int, int, str]]]:
    """Return the document, and line, column, and message of each error."""
    log = InputLog()
    document = parse(SourceFile(file="/x/a.toml", directory="/x", content=content), log)
    return document, [(error.line, error.column, error.message) for error in log.diagnostics]


_COLUMN_OF_TRAILING_COMMA = 8 if sys.version_info >= (3, 13) else 9
"""Since Python 3.13, the error is at the comma, not after it."""


@pytest.mark.parametrize(
    ("content", "line", "column", "message"),
    [
        ("a =", 1, 4, "invalid TOML: missing value of `a`"),
        ("a = '''x\n\n\n", 1, 5, "invalid TOML: the string isn't closed"),
        ("[a.b]\r\n[a.b]\r\n", 2, 1, "invalid TOML: `[a.b]` is declared twice"),
        ('[a."b c"]\n[a."b c"]\n', 2, 1, 'invalid TOML: `[a."b c"]` is declared twice'),
        ("a = { b = 1, b = 2 }", 1, 19, "invalid TOML: duplicate inline table key 'b'"),
        (f"a = 1{'0' * 5000}", 0, 0, "invalid TOML: number too large"),
        (f'{{"a": 1{"0" * 5000}}}', 0, 0, "invalid JSON: number too large"),
        ('{"a": 1,}', 1, _COLUMN_OF_TRAILING_COMMA, "invalid JSON: "),
        ('{"a": {"b": 1, "b": 2}}', 0, 0, "invalid JSON: duplicate key `b`"),
        (r'{"a": "\ud800"}', 0, 0, "invalid JSON: unpaired surrogate"),
        ('a = 1\nb = "\udcff"\n', 2, 6, "invalid TOML: not UTF-8"),
        ('{"a":' * 100_000, 1, 1, "invalid JSON: nested too deeply"),
    ],
)
def test_syntax_error_has_a_message_and_a_position(
    content: str, line: int, column: int, message: str
) -> None:
    document, [error] = _parse(content)
    assert document == {}
    assert error[:2] == (line, column)
    assert error[2].startswith(message)


@pytest.mark.parametrize("content", ["a.b = [1]\r\n", '  \n{"a": {"b": [1]}}'])
def test_toml_and_json_parse_to_the_same_document(content: str) -> None:
    assert _parse(content) == ({"a": {"b": [1]}}, [])


@pytest.mark.parametrize(
    ("content", "expected"), [("{}", True), (" \n{", True), ("a = {}", False), ("", False)]
)
def test_json_starts_with_a_brace(content: str, expected: bool) -> None:
    assert is_json(content) is expected


def test_table_header_quotes_unusual_names() -> None:
    assert table_header("widget", "a") == "[widget.a]"
    assert table_header("widget", "my.ä") == '[widget."my.ä"]'
