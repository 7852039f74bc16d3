"""Replace a symlink by one rename."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from engine.system.existence import is_symlink
from engine.system.files import symlink


def delete_unfinished(directory: str, name: str) -> None:
    """Delete the temporary links of interrupted runs, and nothing else."""
    temporary = re.compile(rf"\.{re.escape(name)}\.next-[0-9a-f]{{8}}")
    for entry in filter(temporary.fullmatch, os.listdir(directory)):
        path = os.path.join(directory, entry)
        with suppress(FileNotFoundError, PermissionError):  # Another user may own it.
            if is_symlink(path):
                os.unlink(path)


def replace_link(target: str, path: str, prefix: str) -> bool:
    """Create a symlink under a temporary name, and rename it.

    Args:
        target: The target of the symlink.
        path: The final path, which may exist.
        prefix: The beginning of the temporary path.

    Returns:
        Whether the symlink has its final path. If not, another run deleted the temporary one.

    """
    temporary = prefix + os.urandom(4).hex()
    symlink(target, temporary)
    try:
        os.rename(temporary, path)
    except FileNotFoundError:
        return False
    return True
