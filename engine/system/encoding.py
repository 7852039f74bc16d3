"""Output for a stream whose reader may not understand every character."""

from __future__ import annotations

import os
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

_SIGNS = str.maketrans(
    {"→": "->", "±": "+-", "✗": "x", "✔": "v", "·": ".", "…": "...", "»": ">",
     "└": "`", "╰": "`", "├": "|", "│": "|", "─": "-", "█": "#", "░": ".", "▶": ">", "×": "x"}
)  # fmt: skip
"""The non-ASCII characters that converge and its tools print, and their replacements."""


def escape(text: str, stream: TextIO) -> str:
    """Return text in the characters that the reader of a stream can be expected to accept.

    Signs are ASCII unless the stream is a terminal with a UTF-8 locale. A pipe ends at another
    program, which may decode its input as ASCII and fail on any other character.

    Args:
        text: The text. Names and paths in it may contain any character.
        stream: The stream to write to.

    Returns:
        The text. If the locale isn't UTF-8, all of it is in the encoding of the locale.

    """
    if text.isascii():
        return text
    encoding = stream.encoding or "utf-8"
    if not locale_is_utf8() and encoding.lower() in ("utf-8", "utf8"):
        encoding = "ascii"
    try:
        # Undecodable bytes of a path don't count: the stream writes them unchanged.
        text.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        text = with_ascii_signs(text)
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text if stream.isatty() else with_ascii_signs(text)


def with_ascii_signs(text: str) -> str:
    """Return text with ASCII replacements for the signs of converge and its tools."""
    return text.translate(_SIGNS)


def locale_is_utf8() -> bool:
    """Return whether the encoding of the locale is UTF-8, as the caller set the locale.

    The variables of this process can't answer that: in the C locale, Python selects UTF-8 for
    itself and its children (PEP 538, PEP 540).
    """
    variables = dict(os.environb)
    with suppress(OSError):
        with open("/proc/self/environ", "rb") as stream:
            entries = stream.read().split(b"\0")
        variables = {name: value for name, _, value in (e.partition(b"=") for e in entries)}
    return names_utf8(variables)


def names_utf8(variables: Mapping[bytes, bytes]) -> bool:
    """Return whether the environment variables of a process name a locale with UTF-8."""
    names = (b"LC_ALL", b"LC_CTYPE", b"LANG")
    locale = next(filter(None, (variables.get(name) for name in names)), b"")
    return b"utf8" in locale.lower().replace(b"-", b"")
