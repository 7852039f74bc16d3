"""Split a requirement file into logical lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMENT = re.compile(r"(^|\s+)#.*$")


def split_lines(content: str) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines, with continuations joined, without comments and blanks.

    As pip does: comments are removed after lines are joined, and a comment line ends the
    continuation of the line before it.
    """
    start, parts = 0, []
    for number, row in enumerate([*content.splitlines(), ""], 1):
        is_comment = _COMMENT.match(row)
        if row.endswith("\\") and not is_comment:
            start = start or number
            parts.append(row.strip("\\"))
            continue
        joined = "".join([*parts, f" {row}" if is_comment else row])
        if text := _COMMENT.sub("", joined).strip():
            yield start or number, text
        start, parts = 0, []
