"""The files of a local project that a receipt records, besides the digest of its sources."""

from __future__ import annotations

from engine.frozen import frozen


@frozen
class ProjectFiles:
    """The files of a local project as its last build used them.

    Paths are relative to the project.
    """

    path: str
    """The directory of the project."""
    outputs: tuple[str, ...] = ()
    """Files that the build itself writes. They never count as source."""
    packaged: tuple[str, ...] = ()
    """Files that Git ignores and that the wheel contains. They count as source."""
    ignored: tuple[str, ...] = ()
    """Other files and directories that Git ignores. They don't count as source.

    A later file may be missing here. This list only saves reading the rules of Git.
    """


@frozen
class BuiltProject:
    """A local project that was built."""

    files: ProjectFiles
    content: str
    """The digest of its source, for the receipt."""
