"""The commands that work with any kind, each in a module of its own."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.cli.command import CommandTable

COMMANDS: CommandTable = {
    name: f"{__name__}.{name}"
    for name in ("plan", "apply", "check", "validate", "graph", "show", "schema", "version")
}
