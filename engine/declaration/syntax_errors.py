"""Explain a TOML syntax error by the text at its position.

The parser reports the first character that it can't read. The mistake is often earlier: a missing
quote, comma, or bracket. Each rule belongs to one message of the parser, and may find nothing.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import tomli

from engine.frozen import frozen
from engine.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@frozen
class Explanation:
    """The mistake behind a syntax error, its position, and a correction."""

    message: str
    hint: str
    offset: int
    """The offset of the mistake in characters."""


_ASSIGNMENT = re.compile(r"""[ \t]*(?P<key>(?:"[^"\n]*"|'[^'\n]*'|[^\s="'#\[{])+)[ \t]*=[ \t]*""")
_HEADER = re.compile(r"[ \t]*\[\[?(?P<name>[^\]\n]*)\]")
_TOKEN = re.compile(
    r'#[^\n]*|"""(?:\\.|[^\\])*?(?:"""|\Z())|'
    r"'''.*?(?:'''|\Z())|"
    r'"(?:\\.|[^"\\\n])*(?:"|())|'
    r"'[^'\n]*(?:'|())|[][{}]",
    re.DOTALL,
)
"""A comment, a string, or a bracket. A group matches if the string isn't closed: the search then
continues after it, and takes linear time."""
_BOOLEANS = {
    "true": "true",
    "yes": "true",
    "on": "true",
    "false": "false",
    "no": "false",
    "off": "false",
}


def explain(error: tomli.TOMLDecodeError) -> Explanation | None:
    """Return an explanation of a syntax error, or None if only the parser's message is known."""
    for message, rule in _RULES.items():
        if error.msg.startswith(message):
            return rule(error.doc, error.pos)
    return None


def _invalid_value(text: str, offset: int) -> Explanation | None:
    value = _unquoted(text, offset)
    if not value:
        key = _ASSIGNMENT.match(text, _line_start(text, offset))
        return Explanation(f"missing value of `{key['key']}`", "", offset) if key else None
    boolean = _BOOLEANS.get(value.lower())
    if boolean:
        return Explanation(f"invalid value `{value}`", f"write `{boolean}`", offset)
    return _missing_quotes(text, offset)


def _missing_quotes(text: str, offset: int) -> Explanation:
    """Explain a value that must be a string, and begins at the offset."""
    assignment = _ASSIGNMENT.match(text, _line_start(text, offset))
    value = json.dumps(redact(_unquoted(text, offset)), ensure_ascii=False)
    direct = assignment is not None and assignment.end() == offset
    example = f"{assignment['key']} = {value}" if assignment and direct else value
    return Explanation("text needs quotes", f"write `{example}`", offset)


def _trailing_text(text: str, offset: int) -> Explanation | None:
    assignment = _ASSIGNMENT.match(text, _line_start(text, offset))
    if not assignment:
        return None
    if text[assignment.end()] not in "\"'[{" and not _ASSIGNMENT.match(text, offset):
        return _missing_quotes(text, assignment.end())  # A number or a date is its beginning.
    hint = "put each key on a line of its own"
    return Explanation("unexpected text after a value", hint, offset)


def _unclosed_array(text: str, offset: int) -> Explanation | None:
    opening = _last_open(text, offset, "[")
    if opening is None:
        return None
    # The header of the next table begins like a nested array.
    is_header = _HEADER.match(text, _line_start(text, offset))
    if text[offset : offset + 1] in ('"', "'", "{", "[") and not is_header:
        return Explanation("missing comma", "separate the values by commas", offset)
    return Explanation("the array isn't closed", f"add `]` {_before(text, offset)}", opening)


def _unclosed_inline_table(text: str, offset: int) -> Explanation | None:
    opening = _last_open(text, offset, "{")
    hint = "close it with `}` on the same line"
    return None if opening is None else Explanation("the inline table isn't closed", hint, opening)


def _unclosed_string(text: str, offset: int) -> Explanation | None:
    if text[offset : offset + 1] not in ("", "\n"):
        return None
    token = next((token for token in _TOKEN.finditer(text, 0, offset) if token.lastindex), None)
    if token is None:
        return None
    mark = token[0][0]
    if token[0].startswith(mark * 3):
        mark *= 3
    return Explanation("the string isn't closed", f"add `{mark}` at its end", token.start())


def _backslash(_text: str, offset: int) -> Explanation:
    return Explanation(
        "invalid escape in a string", r"write `\\`, or use single quotes", offset - 1
    )


def _missing_equals(text: str, offset: int) -> Explanation | None:
    if text[offset : offset + 1] == ":":
        return Explanation("found `:` instead of `=`", "write `key = value`", offset)
    return None


def _unclosed_header(text: str, offset: int) -> Explanation | None:
    start = text.index("[", _line_start(text, offset))
    if text[offset : offset + 1] in ("", "\n", "#"):
        return Explanation("the table header isn't closed", "add `]`", start)
    kind, _, name = text[start:].split("\n")[0].strip("[] \t").partition(".")
    hint = f"put the name in quotes: `[{kind}.{json.dumps(name, ensure_ascii=False)}]`"
    return Explanation("invalid character in a table header", hint, offset)


def _table_twice(text: str, offset: int) -> Explanation | None:
    start = _line_start(text, offset)
    header = _HEADER.match(text, start)
    for first in _HEADER.finditer(text, 0, start):
        if header and first.start() == _line_start(text, first.start()) and _same(header, first):
            line = text.count("\n", 0, first.start()) + 1
            message = f"`{header[0].strip()}` is declared twice"
            return Explanation(message, f"merge it with the table in line {line}", start)
    return None


def _key_twice(text: str, offset: int) -> Explanation | None:
    start = _line_start(text, offset)
    again = _ASSIGNMENT.match(text, start)
    for line_start in _line_starts_before(text, start):
        if _HEADER.match(text, line_start):
            return None
        first = _ASSIGNMENT.match(text, line_start)
        if again and first and first["key"] == again["key"]:
            line = text.count("\n", 0, line_start) + 1
            hint = f"remove it, or the one in line {line}"
            return Explanation(f"`{again['key']}` is set twice", hint, again.start("key"))
    return None


def _same(header: re.Match[str], other: re.Match[str]) -> bool:
    try:
        return tomli.loads(f"[{header['name']}]") == tomli.loads(f"[{other['name']}]")
    except tomli.TOMLDecodeError:
        return False  # For example, a line of an array that spans several lines.


def _last_open(text: str, offset: int, bracket: str) -> int | None:
    """Return the offset of the innermost open bracket of a kind, or None.

    Args:
        text: The document.
        offset: The end of the part to search.
        bracket: `[` or `{`.

    Returns:
        The offset.

    """
    open_brackets: list[tuple[str, int]] = []
    for token in _TOKEN.finditer(text, 0, offset):
        if token[0] in ("[", "{"):
            open_brackets.append((token[0], token.start()))
        elif token[0] in ("]", "}") and open_brackets:
            open_brackets.pop()
    return next((at for kind, at in reversed(open_brackets) if kind == bracket), None)


def _unquoted(text: str, offset: int) -> str:
    """Return a value without quotes: the rest of its line, up to a comma, bracket, or comment."""
    match = re.compile(r"[^,\]}#\n]*").match(text, offset)
    return match[0].strip() if match else ""


def _before(text: str, offset: int) -> str:
    end_of_file = not text[offset:].strip()
    return "at the end" if end_of_file else f"before line {text.count(chr(10), 0, offset) + 1}"


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _line_starts_before(text: str, start: int) -> Iterator[int]:
    """Yield the offset of each earlier line, the nearest first."""
    while start:
        start = _line_start(text, start - 1)
        yield start


_RULES: dict[str, Callable[[str, int], Explanation | None]] = {
    "Invalid value": _invalid_value,
    "Expected newline or end of document": _trailing_text,
    "Unclosed array": _unclosed_array,
    "Unclosed inline table": _unclosed_inline_table,
    "Illegal character": _unclosed_string,
    "Unterminated string": _unclosed_string,
    "Expected \"'": _unclosed_string,
    "Unescaped": _backslash,
    "Expected '=' after a key": _missing_equals,
    "Expected ']' at the end of a table": _unclosed_header,
    "Cannot declare": _table_twice,
    "Cannot overwrite a value": _key_twice,
}
"""The rule for each message of the parser (tomli 2.2), by the start of the message."""
