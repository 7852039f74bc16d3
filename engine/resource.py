"""One declared piece of the world."""

from __future__ import annotations

from engine.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@frozen
class Resource:
    """What it is called, what was asked of it, and what it waits for."""

    kind: str
    name: str
    spec: Any
    """An instance of the kind's `spec` class."""
    needs: tuple[str, ...] = ()
    """Addresses of what must be there first, declared and implied, without repeats."""
    file: str = ""
    """The file that declares it, or `<stdin>`."""

    @property
    def address(self) -> str:
        """`kind.name`, unique in a declaration, opaque to callers."""
        return f"{self.kind}.{self.name}"
