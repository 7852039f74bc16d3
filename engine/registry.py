"""The kinds of one run, handed to the engine by the composition root."""

from __future__ import annotations

from engine.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.kind import AnyKind


@frozen
class KindRegistry:
    """All kinds by name."""

    kinds: Mapping[str, AnyKind]
    defaults_kind: str
    """The kind that `[defaults]` applies to."""
