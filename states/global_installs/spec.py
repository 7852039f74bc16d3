"""The keys of a `[global.*]` table."""

from __future__ import annotations

from engine.frozen import field, frozen


@frozen
class Global:
    """An interpreter, and the packages that may be installed outside of venvs for it."""

    python: str = field("The absolute path of an interpreter.")
    allow: tuple[str, ...] = field(
        "Packages that may be installed beside those of the distribution.", default=()
    )
    ignore: tuple[str, ...] = field(
        "Patterns of entries that are neither reported nor removed.", default=()
    )
    users: tuple[str, ...] = field(
        "Users whose `~/.local` must also contain no other packages.", default=()
    )
    keep: int = field("The number of removals to keep for rollback.", default=3)
    needs: tuple[str, ...] = field("Addresses of resources to apply first.", default=())
