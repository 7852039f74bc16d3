"""The content of one declaring file."""

from __future__ import annotations

from engine.frozen import frozen

STDIN = "<stdin>"


@frozen
class SourceFile:
    """One file that was read completely."""

    file: str
    """An absolute path, or `<stdin>`."""
    directory: str
    """The directory that relative paths in the file are relative to."""
    content: str
    is_regular: bool = True
    """Whether the file can be read again. False for standard input and pipes."""
