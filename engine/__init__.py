"""Declarations, resources, and the loop that converges them, without any particular kind.

The public API is `__all__`. Start with `engine.kind`, `engine.diff`, and `engine.converge`.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.cli.main import main as main
    from engine.diff import Change as Change
    from engine.diff import Diff as Diff
    from engine.errors import ConvergeError as ConvergeError
    from engine.kind import Goal as Goal
    from engine.kind import Handle as Handle
    from engine.kind import Kind as Kind
    from engine.registry import KindRegistry as KindRegistry
    from engine.resource import Resource as Resource
    from engine.result import Result as Result
    from engine.strategy.actions import Apply as Apply
    from engine.strategy.actions import DryRun as DryRun
    from engine.strategy.actions import Strategy as Strategy
    from engine.table import Inputs as Inputs

__version__ = "0.1.0"
FORMAT_VERSION = "1.0"
"""Version of the JSON that `--json` prints."""

_MODULES = {
    "Apply": "strategy.actions", "Change": "diff", "ConvergeError": "errors", "Diff": "diff",
    "DryRun": "strategy.actions", "Goal": "kind", "Handle": "kind", "Inputs": "table",
    "Kind": "kind", "KindRegistry": "registry", "Resource": "resource", "Result": "result",
    "Strategy": "strategy.actions", "main": "cli.main",
}  # fmt: skip
"""The module of each exported name. Type checkers read the imports above instead."""

__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    """Import an exported name on first use: a no-op imports no module that it doesn't need.

    Raises:
        AttributeError: The name isn't exported.

    """
    if name not in _MODULES:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"engine.{_MODULES[name]}"), name)
