"""The commands that need to know the kinds, each in a module of its own."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.cli.command import CommandTable

COMMANDS: CommandTable = {
    name.rpartition(".")[2]: f"{__name__}.{name}"
    for name in (
        "list", "packages.who", "host.scan", "status", "verify", "history", "packages.diff",
        "packages.why", "rollback", "pin", "gc", "adopt", "init", "lock", "selftest", "wrapper",
    )
}  # fmt: skip
