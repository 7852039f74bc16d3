"""Desired state minus observed state: one action, and each change with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from engine.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, TypeAlias

    Action: TypeAlias = Literal["none", "create", "update", "replace", "repair", "delete"]

State = Mapping[str, str]
"""A resource as a flat map of attributes to values. None stands for an absent resource."""


@frozen
class Change:
    """One attribute that differs. None stands for an absent attribute."""

    attribute: str
    before: str | None
    after: str | None
    reason: str = ""


@frozen
class Diff:
    """Every difference in one resource, and the action that removes them."""

    action: Action
    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        """Return whether there is a difference."""
        return self.action != "none"


def compare(
    observed: State | None,
    desired: State | None,
    *,
    immutable: frozenset[str] = frozenset(),
    declared: frozenset[str] = frozenset(),
    explain: Callable[[Change], str] = lambda _change: "",
) -> Diff:
    """Compare two states attribute by attribute, in the order of attribute names.

    Args:
        observed: The observed state, or None if the resource doesn't exist.
        desired: The desired state, or None if the resource must not exist.
        immutable: Attributes whose difference means `replace`.
        declared: Attributes whose difference means `update`. If none of them differs, the
            action is `repair`. If empty, the action is always `update`.
        explain: Returns the reason for a change. Called once for each change.

    Returns:
        The difference, which is falsy if the states are equal.

    """
    if observed == desired:
        return Diff(action="none", changes=())
    before, after = observed or {}, desired or {}
    changes = []
    for attribute in sorted(before.keys() | after.keys()):
        change = Change(attribute, before.get(attribute), after.get(attribute))
        if change.before != change.after:
            changes.append(Change(attribute, change.before, change.after, explain(change)))
    differing = {change.attribute for change in changes}
    action = _action(observed, desired, differing, immutable, declared)
    return Diff(action, tuple(changes))


def _action(
    observed: State | None,
    desired: State | None,
    differing: set[str],
    immutable: frozenset[str],
    declared: frozenset[str],
) -> Action:
    if observed is None:
        return "create"
    if desired is None:
        return "delete"
    if differing & immutable:
        return "replace"
    return "update" if not declared or differing & declared else "repair"
