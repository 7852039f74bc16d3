"""Adapt copied scripts, and the RECORDs that list them, to the path of another generation."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

from engine.system.files import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHEBANG_LIMIT = 127
"""Maximum length in bytes of a `#!` line with its newline, for which uv and pip write one.

Linux 5.0 and earlier read no more of it (binfmt_script.c).
"""
SCRIPT_HEAD = 4096
"""Number of bytes at the start of a script that can contain the interpreter's path."""


def relocate_script(script: bytes, source: str, target: str) -> bytes:
    """Return a script that runs the interpreter of another generation.

    If the path is too long for a `#!` line, an installer writes a `#!/bin/sh` line, and the
    path into a shell line below it. A relocated script never differs from an installed one.

    Args:
        script: The content of the script.
        source: The directory of the generation that the script names.
        target: The directory of the generation that it must name.

    Returns:
        The new content.

    Raises:
        ValueError: An installer would start the script in another way at the new path.

    """
    first, newline, rest = script.partition(b"\n")
    head = first + newline + rest[:SCRIPT_HEAD]
    relocated = head.replace(source.encode(), target.encode())
    if relocated != head and _needs_shell(source) != _needs_shell(target):
        raise ValueError("an installer would start this script in another way")
    return relocated + rest[SCRIPT_HEAD:]


def _needs_shell(root: str) -> bool:
    """Return whether an installer can't write the path of the interpreter into a `#!` line."""
    line = b"#!%s/bin/python\n" % root.encode()
    return len(line) > _SHEBANG_LIMIT or b" " in line


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
