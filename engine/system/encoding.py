"""Text for a stream whose encoding may lack some characters."""

from __future__ import annotations

_ASCII = str.maketrans(
    {"→": "->", "±": "+-", "✗": "x", "·": ".", "…": "...", "└": "`", "├": "|", "─": "-"}
)
"""The non-ASCII signs of our own output, and their replacements."""


def escape(text: str, encoding: str | None) -> str:
    """Return text unchanged, or with our own signs in ASCII if the encoding can't represent it."""
    try:
        # Undecodable bytes of a path don't count: the stream writes them as they are.
        text.encode(encoding or "utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.translate(_ASCII)
    return text
