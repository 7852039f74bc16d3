"""Output for a stream whose encoding lacks some characters."""

from __future__ import annotations

_ASCII = str.maketrans(
    {"→": "->", "±": "+-", "✗": "x", "·": ".", "…": "...", "└": "`", "├": "|", "─": "-"}
)
"""The non-ASCII characters that converge prints, and their replacements."""


def escape(text: str, encoding: str | None) -> str:
    """Return text unchanged, or with ASCII replacements if the encoding can't represent it."""
    try:
        # Undecodable bytes of a path don't count: the stream writes them unchanged.
        text.encode(encoding or "utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.translate(_ASCII)
    return text
