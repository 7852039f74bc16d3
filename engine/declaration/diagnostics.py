"""Errors in a declaration, each with its location."""

from __future__ import annotations

from engine.errors import ConvergeError
from engine.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.table import Key


@frozen
class Diagnostic:
    """One error in a declaration."""

    file: str
    """An absolute path or `<stdin>`."""
    message: str
    hint: str = ""
    key: Key = ()
    """The location in the document."""
    line: int = 0
    """Counts from 1. 0 means that only `key` is known."""
    column: int = 0
    """Counts characters from 1. 0 means that only `key` is known."""
    marks_key: bool = False
    """Whether a snippet underlines the key. Otherwise it underlines the value."""
    related: tuple[tuple[str, Key], ...] = ()
    """The file and the key of each further location, such as that of a duplicate."""


class DeclarationError(ConvergeError):
    """The declaration is invalid. Nothing was changed."""

    code, name = 65, "declaration"

    def __init__(self, diagnostics: tuple[Diagnostic, ...], texts: dict[str, str]) -> None:
        count = "1 error" if len(diagnostics) == 1 else f"{len(diagnostics)} errors"
        super().__init__(f"{count} in the declaration; nothing was changed")
        self.diagnostics = diagnostics
        self.texts = texts
        """The content of each file, for snippets."""


class EmptyDeclaration(ConvergeError):
    """The declaration, or one of several files, declares nothing."""

    code, name = DeclarationError.code, DeclarationError.name
