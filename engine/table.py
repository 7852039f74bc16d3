"""The files around one table of a declaration, as a kind sees them while it normalizes a spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Key: TypeAlias = tuple[str | int, ...]
"""A location in a document or a table: names of tables and keys, and indexes of array elements."""


class Inputs(Protocol):
    """The files around one table. Each file that is read becomes part of the cache key."""

    file: str
    """The declaring file: an absolute path or `<stdin>`."""
    table: Key
    """The kind and the name of the table."""
    declared: Mapping[str, Any]
    """The spec of each table of the declaration by address. Empty while they are normalized."""

    def path(self, text: str, key: Key) -> str:
        """Return the absolute form of a path, relative to the declaring file's directory."""

    def read(self, path: str, key: Key) -> str | None:
        """Return the text of a file, or None if it doesn't exist. Reports unreadable files."""

    def digest(self, path: str, function: str, key: Key) -> str:
        """Return the digest of a file or directory. Reports a path that can't be read.

        Args:
            path: The file or directory.
            function: A name in `KindRegistry.digest_functions`.
            key: The key that contains the path.

        Returns:
            The digest, or an empty string after a report.

        """

    def add_origin(self, key: Key, file: str, line: int) -> None:
        """Record where a value comes from that the declaration doesn't contain.

        Args:
            key: The key of this table that gets the value.
            file: The file that contains it.
            line: The line, from 1.

        """

    def error(self, key: Key, message: str, hint: str = "", *, marks_key: bool = False) -> None:
        """Report an error.

        Args:
            key: The key of this table that is invalid.
            message: The problem.
            hint: A remedy in the imperative.
            marks_key: Whether the key itself is wrong, and not its value.

        """
