"""What is wrong with a declaration: all of it at once, each with its place in the text."""

from __future__ import annotations

from engine.errors import ConvergeError
from engine.frozen import frozen

Key = tuple[str | int, ...]
"""Where in a document: table names and keys, and indexes into arrays."""


@frozen
class Diagnostic:
    """One thing that is wrong. Lines and columns count from 1; 0 means unknown."""

    file: str
    message: str
    hint: str = ""
    key: Key = ()
    line: int = 0
    column: int = 0
    notes: tuple[tuple[str, Key], ...] = ()
    """Further places that belong to it: a file and a key."""


class DeclarationError(ConvergeError):
    """The declaration cannot be used; nothing was started."""

    code, name = 65, "declaration"

    def __init__(self, problems: tuple[Diagnostic, ...], texts: dict[str, str]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{count} in the declaration; nothing was started")
        self.problems = problems
        self.texts = texts
        """The text of each file, for showing the offending lines."""
