"""Limits on lines of a requirement file behind a URL.

The server of such a file may bound versions and name packages. It doesn't decide where other
packages come from, and can't make converge read a file of the host.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from states.venv.resolve.lines.options import INCLUDES, SETTINGS_OPTION, SOURCE_OPTIONS
from states.venv.resolve.references import join_reference

if TYPE_CHECKING:
    from collections.abc import Iterable

_HINT = "only the declaration and local files may name it"
_LOCAL = re.compile(r"(?:[\w.-]+\+)?file:", re.IGNORECASE)
"""A URL of this host, possibly of a repository."""
_HTTP = re.compile(r"https?://[^/]", re.IGNORECASE)


def remote_error(
    file: str, reference: str, options: Iterable[tuple[str, str]]
) -> tuple[str, str] | None:
    """Return the problem of a line that a remote file must not contain, and a hint.

    Args:
        file: The URL of the file.
        reference: The URL of the requirement in the line, the URL of the file itself if it isn't
            read yet, or empty.
        options: The options in the line.

    Returns:
        The message and the hint, or None.

    """
    if reference == file and not _HTTP.match(file):
        return f"invalid URL of a requirement file: `{file}`", "write a path or an HTTP(S) URL"
    for name, value in options:
        if name in (*SOURCE_OPTIONS, SETTINGS_OPTION):
            return f"unsupported option in a remote file: `{name}`", _HINT
        if name in INCLUDES and not _HTTP.match(join_reference(file, value)):
            return f"a remote file can't include `{value}`", "include an HTTP(S) URL"
    if _LOCAL.match(reference):
        return f"a remote file can't name a local path: `{reference}`", _HINT
    return None
