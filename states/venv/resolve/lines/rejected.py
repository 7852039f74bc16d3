"""Find the line of a requirement file that the installer rejects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import ConvergeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from states.venv.resolve.lines.line import Line

_PLACE = re.compile(
    r"`?(?:[^\s`]*/)?(?P<file>[\w-]+\.(?:in|txt))`?(?: at position (?P<offset>\d+)|:(?P<row>\d+):)"
)
"""A place in a file that converge wrote for uv: an offset in bytes, or a row from 1."""


def locate_rejected(error: ConvergeError, files: Mapping[str, Sequence[Line]]) -> ConvergeError:
    """Return an error that names the line as the user wrote it, if the output of uv names one.

    Args:
        error: The error of the installer.
        files: The lines of each file that the installer got, one in each row, by its name.

    Returns:
        A new error, or the same one.

    """
    place = _PLACE.search(error.output)
    lines = files.get(place["file"], ()) if place else ()
    if not place or not lines:
        return error
    content = "".join(f"{line.text}\n" for line in lines).encode()
    row = int(place["row"] or 1) - 1
    if place["offset"]:
        row = content[: int(place["offset"])].count(b"\n")
    if row >= len(lines):
        return error
    line = lines[row]
    return ConvergeError(
        f"{line.location()}: the installer can't parse `{line.text}`",
        hint="correct the line; the cause is in the output",
        output=error.output,
    )
