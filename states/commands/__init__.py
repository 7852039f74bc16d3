"""The commands that need to know the kinds, each in a module of its own."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.cli.command import CommandTable

_MODULES = {"import": "declarations.import_venvs"}
"""The modules that aren't named like their command: the name is a keyword."""
COMMANDS: CommandTable = {
    name.rpartition(".")[2]: f"{__name__}.{_MODULES.get(name, name)}"
    for name in (
        "list", "packages.who", "host.scan", "status", "verify", "history", "packages.diff",
        "packages.why", "rollback", "pin", "gc", "adopt", "declarations.init", "import", "lock",
        "selftest", "wrapper",
    )
}  # fmt: skip
