"""The verbs that only make sense for virtual environments."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.cli.command import Command


def commands(name: str) -> Sequence[Command]:
    """Return the verbs, or just the named one: each costs an import."""
    from importlib import import_module

    modules = (
        "status", "verify", "lock", "rollback", "history", "gc", "pin", "adopt", "init", "selftest",
        "wrapper",
    )  # fmt: skip
    wanted = (name,) if name in modules else modules
    return [import_module(f"states.commands.{one}").COMMAND for one in wanted]
