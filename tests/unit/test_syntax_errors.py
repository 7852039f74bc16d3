"""A TOML syntax error is located at the mistake, with a correction."""

from __future__ import annotations

import time

import pytest
import tomli

from engine.declaration.inputs import InputLog
from engine.declaration.parse import parse
from engine.declaration.source_file import SourceFile
from engine.declaration.syntax_errors import explain


@pytest.mark.parametrize(
    ("content", "line", "column", "message", "hint"),
    [
        ("path = venvs/web\n", 1, 8, "text needs quotes", 'write `path = "venvs/web"`'),
        ('a = ["x", y]\n', 1, 11, "text needs quotes", 'write `"y"`'),
        ("mode = 0755\n", 1, 8, "text needs quotes", 'write `mode = "0755"`'),
        ("python = 3.11.2\n", 1, 10, "text needs quotes", 'write `python = "3.11.2"`'),
        ("a.b = x # y\n", 1, 7, "text needs quotes", 'write `a.b = "x"`'),
        ("keep =\n", 1, 7, "missing value of `keep`", ""),
        ("adopt = True\n", 1, 9, "invalid value `True`", "write `true`"),
        ("adopt = no\n", 1, 9, "invalid value `no`", "write `false`"),
        ('[t]\na = ["x",\n "y"\nb = 1\n', 2, 5, "the array isn't closed", "add `]` before line 4"),
        ('a = ["x",\n "y"\n[t]\n', 1, 5, "the array isn't closed", "add `]` before line 3"),
        ('a = ["x", "]"', 1, 5, "the array isn't closed", "add `]` at the end"),
        ('a = ["x" "y"]\n', 1, 10, "missing comma", "separate the values by commas"),
        ('a = ["x"\n  "y"]\n', 2, 3, "missing comma", "separate the values by commas"),
        (
            'a = { b = "c"\n',
            *(1, 5, "the inline table isn't closed", "close it with `}` on the same line"),
        ),
        ('a = "x\nb = 1\n', 1, 5, "the string isn't closed", 'add `"` at its end'),
        ("# don't\na = 'x\"\n", 2, 5, "the string isn't closed", "add `'` at its end"),
        ('a = """x\n\n', 1, 5, "the string isn't closed", 'add `"""` at its end'),
        ("a = '''x\n\n", 1, 5, "the string isn't closed", "add `'''` at its end"),
        ("a = '''it's\n'x'\n", 1, 5, "the string isn't closed", "add `'''` at its end"),
        (
            'a = "C:\\srv"\n',
            *(1, 9, "invalid escape in a string", "write `\\\\`, or use single quotes"),
        ),
        ('a: "x"\n', 1, 2, "found `:` instead of `=`", "write `key = value`"),
        ("[t.a\nb = 1\n", 1, 1, "the table header isn't closed", "add `]`"),
        (
            "[link.bin/x]\n",
            *(1, 10, "invalid character in a table header"),
            'put the name in quotes: `[link."bin/x"]`',
        ),
        (
            '[t.a]\nb = 1\n[t . "a"]\n',
            *(3, 1, '`[t . "a"]` is declared twice', "merge it with the table in line 1"),
        ),
        ("[t]\na = 1\nb = 2\na = 3\n", 4, 1, "`a` is set twice", "remove it, or the one in line 2"),
        (
            'a = "b" c = 1\n',
            *(1, 9, "unexpected text after a value", "put each key on a line of its own"),
        ),
    ],
)
def test_syntax_error_locates_the_mistake(
    content: str, line: int, column: int, message: str, hint: str
) -> None:
    log = InputLog()
    assert parse(SourceFile(file="/x/a.toml", directory="/x", content=content), log) == {}
    [error] = log.diagnostics
    assert (error.line, error.column) == (line, column)
    assert error.message == f"invalid TOML: {message}"
    assert error.hint == hint


def test_password_in_a_value_without_quotes_is_hidden() -> None:
    log = InputLog()
    content = "index-url = https://ann:secret@example.org/\n"
    parse(SourceFile(file="/x/a.toml", directory="/x", content=content), log)
    [error] = log.diagnostics
    assert error.message == "invalid TOML: text needs quotes"
    assert "secret" not in error.hint


@pytest.mark.parametrize(
    "content",
    [
        'a = "' + '\\"' * 20_000,
        'a = """' + '\\"""' * 20_000,
        "a = '''" + "''b" * 20_000,
    ],
)
def test_long_string_is_explained_in_linear_time(content: str) -> None:
    with pytest.raises(tomli.TOMLDecodeError) as raised:
        tomli.loads(content)
    start = time.process_time()
    explanation = explain(raised.value)
    assert time.process_time() - start < 2
    assert explanation is not None
    assert explanation.offset == 4


@pytest.mark.parametrize(
    "content", ["a = { b = 1 }\na.c = 2\n", "a = { b = 1, b = 2 }", "a.b = 1\n[a.b.c]\n", "\x01"]
)
def test_unknown_mistake_keeps_the_message_of_the_parser(content: str) -> None:
    with pytest.raises(tomli.TOMLDecodeError) as raised:
        tomli.loads(content)
    assert explain(raised.value) is None
