"""Where in a TOML text each key and value stands.

Only asked when there is something to complain of, about text that a real parser has
already accepted: so this follows the grammar of https://toml.io/en/v1.0.0 without
checking it.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from engine.declaration.diagnostics import Key
from engine.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.DOTALL
)
_ATOM = re.compile(r"[^,\]}#\r\n]+")


@frozen
class Span:
    """A stretch of one line. Lines and columns count from 1, columns in characters."""

    line: int
    column: int
    width: int


def find_span(text: str) -> tuple[dict[Key, Span], dict[Key, Span]]:
    """Return the spans of all keys and of all values, by the path that leads to them."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.keys, scanner.values


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(one.end() for one in re.finditer("\n", text))]
        """Where each line begins."""
        self.at = 0
        self.keys: dict[Key, Span] = {}
        self.values: dict[Key, Span] = {}
        self.arrays: dict[Key, int] = {}
        """For each array of tables, the index of the element that was begun last."""
        self.named = Span(1, 1, 1)
        """Where the part of a key stands that was read last."""

    def document(self) -> None:
        table: Key = ()
        self.blank()
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.assignment(table)
            self.blank()

    def header(self) -> Key:
        """Read `[a.b]` or `[[a.b]]` and return the path of the table that it opens."""
        many = self.text.startswith("[[", self.at)
        self.at += 2 if many else 1
        path = self.path((), self.arrays)
        self.at = self.text.index("]", self.at) + (2 if many else 1)
        if many:
            self.arrays[path] = self.arrays.get(path, -1) + 1
            self.keys[_element(path, self.arrays)] = self.named
        return _element(path, self.arrays)

    def assignment(self, table: Key) -> None:
        path = self.path(table)
        self.at = self.text.index("=", self.at) + 1
        self.value(path)

    def path(self, base: Key, arrays: Mapping[Key, int] | None = None) -> Key:
        """Read a dotted key; each part is remembered where it is first named.

        What a part names in `arrays` is the last element that was begun so far.
        """
        while True:
            self.blank()
            start = self.at
            base = (*base, self.part())
            self.named = self.span(start, self.at)
            self.keys.setdefault(base, self.named)
            self.blank()
            if self.text[self.at] != ".":
                return base
            self.at += 1
            base = _element(base, arrays or {})

    def part(self) -> str:
        quoted = _STRING.match(self.text, self.at)
        if quoted:
            self.at = quoted.end()
            return _unquote(quoted.group())
        bare = _BARE.match(self.text, self.at)
        assert bare is not None  # the parser has accepted this text
        self.at = bare.end()
        return bare.group()

    def value(self, path: Key) -> None:
        self.blank()
        start = self.at
        opening = self.text[self.at]
        if opening == "[":
            self.array(path)
        elif opening == "{":
            self.inline(path)
        else:
            match = _STRING.match(self.text, self.at) or _ATOM.match(self.text, self.at)
            assert match is not None  # the parser has accepted this text
            self.at = match.end()
        end = start + len(self.text[start : self.at].rstrip())
        self.values[path] = self.span(start, end)

    def array(self, path: Key) -> None:
        self.at += 1
        index = 0
        while self.more("]"):
            self.value((*path, index))
            index += 1

    def inline(self, path: Key) -> None:
        self.at += 1
        while self.more("}"):
            self.assignment(path)

    def more(self, closing: str) -> bool:
        """Step over a comma or the closing bracket; tell whether another element follows."""
        self.blank()
        if self.text[self.at] == ",":
            self.at += 1
            self.blank()
        if self.text[self.at] != closing:
            return True
        self.at += 1
        return False

    def span(self, start: int, end: int) -> Span:
        """Return the span from one character offset to another, cut at the end of the line."""
        line = bisect_right(self.starts, start)
        stop = self.starts[line] - 1 if line < len(self.starts) else len(self.text)
        return Span(line, start - self.starts[line - 1] + 1, max(1, min(end, stop) - start))

    def blank(self) -> None:
        match = _SPACE.match(self.text, self.at)
        assert match is not None  # it matches the empty string
        self.at = match.end()


def _element(path: Key, arrays: Mapping[Key, int]) -> Key:
    return (*path, arrays[path]) if path in arrays else path


def _unquote(literal: str) -> str:
    import tomli

    return str(tomli.loads(f"v = {literal}")["v"])
