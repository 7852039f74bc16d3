"""Declarations, resources, and the loop that converges them, without any particular kind.

The public API is `__all__`. Start with `engine.kind`, `engine.diff`, and `engine.converge`.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.cli.main import main
    from engine.converge import Apply, DryRun, Strategy
    from engine.diff import Change, Diff
    from engine.errors import ConvergeError
    from engine.kind import Goal, Handle, Inputs, Kind
    from engine.registry import KindRegistry
    from engine.resource import Resource
    from engine.result import Result

__version__ = "0.1.0"
FORMAT_VERSION = "1.0"
"""Version of the JSON that `--json` prints."""

_EXPORTS = {
    "Apply": "converge", "Change": "diff", "ConvergeError": "errors", "Diff": "diff",
    "DryRun": "converge", "Goal": "kind", "Handle": "kind", "Inputs": "kind", "Kind": "kind",
    "KindRegistry": "registry", "Resource": "resource", "Result": "result",
    "Strategy": "converge", "main": "cli.main",
}  # fmt: skip
"""Each exported name and its module."""

__all__ = [
    "Apply", "Change", "ConvergeError", "Diff", "DryRun", "Goal", "Handle", "Inputs", "Kind",
    "KindRegistry", "Resource", "Result", "Strategy", "main",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Import an exported name on first use: a no-op imports no module that it doesn't need.

    Raises:
        AttributeError: The name isn't exported.

    """
    if name not in _EXPORTS:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"engine.{_EXPORTS[name]}"), name)
