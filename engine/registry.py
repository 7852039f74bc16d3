"""The kinds of one run, handed to the engine by the composition root."""

from __future__ import annotations

from engine.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from engine.kind import AnyKind
    from engine.result import Result


def _no_notices(_results: Sequence[Result]) -> Iterable[str]:
    return ()


@frozen
class KindRegistry:
    """All kinds by name."""

    kinds: Mapping[str, AnyKind]
    defaults_kind: str
    """The kind that `[defaults]` applies to."""
    notices: Callable[[Sequence[Result]], Iterable[str]] = _no_notices
    """Returns messages about a whole run that require no action. Called once at its end, and
    only if no resource failed."""
