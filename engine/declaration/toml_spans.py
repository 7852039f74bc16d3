"""Find the position of each key and value in a TOML text.

Used only to report errors, and only for text that the TOML parser has accepted. Therefore the
scanner follows the grammar of https://toml.io/en/v1.0.0 without checking it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

import tomli

from engine.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.table import Key

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.DOTALL
)
_ATOM = re.compile(r"[^,\]}#\r\n]+")
"""A number, a date, or a boolean."""


@frozen
class Span:
    """A part of one line. Lines and columns count from 1, and columns count characters."""

    line: int
    column: int
    width: int


def find_spans(text: str) -> tuple[dict[Key, Span], dict[Key, Span]]:
    """Return the spans of all keys and the spans of all values, by location.

    Both are empty if the nesting is close to the limit that the TOML parser accepts.
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    try:
        scanner.document()
    except RecursionError:
        return {}, {}
    return scanner.keys, scanner.values


class _Scanner:
    """A recursive-descent scanner. Each method starts at `position` and moves it.

    Attributes:
        text: The document.
        position: The current offset in characters.
        line_starts: The offset of each line.
        keys: The spans of the keys so far. A key that occurs several times has its first span.
        values: The spans of the values so far.
        array_indexes: For each array of tables, the index of its latest element.
        last_part: The span of the latest part of a dotted key.

    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.keys: dict[Key, Span] = {}
        self.values: dict[Key, Span] = {}
        self.array_indexes: dict[Key, int] = {}
        self.last_part = Span(1, 1, 1)

    def document(self) -> None:
        table: Key = ()
        self.skip_blank()
        while self.position < len(self.text):
            if self.text[self.position] == "[":
                table = self.header()
            else:
                self.assignment(table)
            self.skip_blank()

    def header(self) -> Key:
        """Scan `[a.b]` or `[[a.b]]`, and return the location of that table."""
        is_array = self.text.startswith("[[", self.position)
        brackets = 2 if is_array else 1
        self.position += brackets
        table = self.dotted_key((), self.array_indexes)
        self.position = self.text.index("]", self.position) + brackets
        if is_array:
            self.array_indexes[table] = self.array_indexes.get(table, -1) + 1
            self.keys[_latest_element(table, self.array_indexes)] = self.last_part
        return _latest_element(table, self.array_indexes)

    def assignment(self, table: Key) -> None:
        key = self.dotted_key(table)
        self.position = self.text.index("=", self.position) + 1
        self.value(key)

    def dotted_key(self, table: Key, array_indexes: Mapping[Key, int] | None = None) -> Key:
        """Scan a dotted key, and return its location in the document.

        A part that names an array of tables refers to the array's latest element. Only headers
        pass `array_indexes`.
        """
        key = table
        while True:
            self.skip_blank()
            start = self.position
            key = (*key, self.key_part())
            self.last_part = self.span(start, self.position)
            self.keys.setdefault(key, self.last_part)
            self.skip_blank()
            if self.text[self.position] != ".":
                return key
            self.position += 1
            key = _latest_element(key, array_indexes or {})

    def key_part(self) -> str:
        quoted = _STRING.match(self.text, self.position)
        if quoted:
            self.position = quoted.end()
            return _unquote(quoted.group())
        bare = _BARE_KEY.match(self.text, self.position)
        assert bare is not None  # the parser has accepted the text
        self.position = bare.end()
        return bare.group()

    def value(self, key: Key) -> None:
        self.skip_blank()
        start = self.position
        first = self.text[start]
        if first == "[":
            self.array(key)
        elif first == "{":
            self.inline_table(key)
        else:
            match = _STRING.match(self.text, start) or _ATOM.match(self.text, start)
            assert match is not None  # the parser has accepted the text
            self.position = match.end()
        end = start + len(self.text[start : self.position].rstrip())
        self.values[key] = self.span(start, end)

    def array(self, key: Key) -> None:
        self.position += 1
        index = 0
        while self.has_next("]"):
            self.value((*key, index))
            index += 1

    def inline_table(self, key: Key) -> None:
        self.position += 1
        while self.has_next("}"):
            self.assignment(key)

    def has_next(self, closing: str) -> bool:
        """Skip a comma or the closing bracket. Return whether another element follows."""
        self.skip_blank()
        if self.text[self.position] == ",":
            self.position += 1
            self.skip_blank()
        if self.text[self.position] != closing:
            return True
        self.position += 1
        return False

    def span(self, start: int, end: int) -> Span:
        """Return the span between two offsets, cut at the end of the first line."""
        line = bisect_right(self.line_starts, start)
        is_last = line == len(self.line_starts)
        line_end = len(self.text) if is_last else self.line_starts[line] - 1
        column = start - self.line_starts[line - 1] + 1
        return Span(line, column, max(1, min(end, line_end) - start))

    def skip_blank(self) -> None:
        match = _BLANK.match(self.text, self.position)
        assert match is not None  # the pattern matches the empty string
        self.position = match.end()


def _latest_element(key: Key, array_indexes: Mapping[Key, int]) -> Key:
    return (*key, array_indexes[key]) if key in array_indexes else key


def _unquote(literal: str) -> str:
    return str(tomli.loads(f"v = {literal}")["v"])
