"""Adapt copied scripts, and the RECORDs that list them, to the path of another generation."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

from engine.system.files import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHEBANG_LIMIT = 127
"""Maximum length in bytes that Linux reads of a `#!` line (binfmt_script.c)."""
SCRIPT_HEAD = 4096
"""Number of bytes at the start of a script that can contain the interpreter's path."""


def relocate_script(script: bytes, source: str, target: str) -> bytes:
    """Return a script that runs the interpreter of another generation.

    If the path is too long for a `#!` line, an installer writes a `#!/bin/sh` line, and the
    path into a shell line below it. Both are replaced.

    Args:
        script: The content of the script.
        source: The directory of the generation that the script names.
        target: The directory of the generation that it must name.

    Returns:
        The new content.

    Raises:
        ValueError: The new `#!` line is too long for Linux.

    """
    first, newline, rest = script.partition(b"\n")
    first = first.replace(source.encode(), target.encode())
    if first.startswith(b"#!") and len(first) > _SHEBANG_LIMIT:
        raise ValueError("the interpreter's path is too long for a `#!` line")
    head, tail = rest[:SCRIPT_HEAD], rest[SCRIPT_HEAD:]
    return first + newline + head.replace(source.encode(), target.encode()) + tail


def update_record(record: str, data: bytes, relocated: Mapping[str, bytes]) -> bytes:
    """Return a RECORD with the digests and sizes of relocated scripts.

    Args:
        record: The path of the RECORD, relative to the generation.
        data: Its content.
        relocated: The new content of each script, by path relative to the generation.

    Returns:
        The new content.

    """
    site = os.path.dirname(os.path.dirname(record))
    rows = data.split(b"\n")
    for path, content in relocated.items():
        name = os.path.relpath(path, site).encode()
        digest = base64.urlsafe_b64encode(bytes.fromhex(sha256(content))).rstrip(b"=")
        for index, row in enumerate(rows):
            if row.startswith((name + b",", b'"' + name + b'",')):
                rows[index] = b"%s,sha256=%s,%d" % (name, digest, len(content))
    return b"\n".join(rows)
