"""A resource in one run, and the comparison of its observed and its desired state."""

from __future__ import annotations

from engine.diff import Diff, compare
from engine.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.kind import AnyKind, Dependencies, Goal, Handle, MayCreate
    from engine.resource import Resource


@frozen
class Comparison:
    """An observation, the goal that was decided from it, and the difference."""

    handle: Handle
    goal: Goal
    diff: Diff


@frozen
class Target:
    """A resource with the states that its goal depends on."""

    resource: Resource
    kind: AnyKind
    dependencies: Dependencies
    may_create: MayCreate
    """Whether a dependency that would change, a direct one or not, may create a path."""

    def compare(self, handle: Handle) -> Comparison:
        """Decide the goal of an observation, and compare the two states."""
        goal = handle.goal(self.dependencies)
        diff = compare(
            handle.observed,
            goal.desired,
            immutable=self.kind.immutable,
            declared=self.kind.declared,
            explain=goal.explain,
        )
        return Comparison(handle, goal, diff)
