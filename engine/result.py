"""The outcome of one resource in one run."""

from __future__ import annotations

import json

from engine.frozen import frozen
from engine.system.files import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from engine.diff import Action, Change, State
    from engine.errors import ConvergeError
    from engine.resource import Resource

    Outcome: TypeAlias = Literal["unchanged", "changed", "would-change", "failed", "skipped"]


@frozen
class Result:
    """How the run ended for one resource."""

    resource: Resource
    outcome: Outcome
    action: Action = "none"
    changes: tuple[Change, ...] = ()
    state: State | None = None
    """The state at the end, or as predicted in a dry run. Dependents compare with it."""
    identity: str = ""
    """As in `Goal.identity`. Empty if the resource failed."""
    observed: State | None = None
    """The state as last observed."""
    error: ConvergeError | None = None
    blocked_by: str = ""
    """For a skipped resource: the address of the resource that failed."""
    output: str = ""
    """The output of the program that made the change."""
    duration_s: float | None = None
    """The time that the change took, in seconds."""
    notices: tuple[str, ...] = ()
    """Messages of the kind that require no action."""


def state_digest(state: State | None) -> str:
    """Return a short digest of a state, or `absent`: the identity of a resource without its own."""
    if state is None:
        return "absent"
    return sha256(json.dumps(sorted(state.items())).encode())[:16]
