"""Desired minus observed: one action, and each change with its reason."""

from __future__ import annotations

from engine.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal, TypeAlias

    from engine.kind import State

    Action: TypeAlias = Literal["none", "create", "update", "replace", "repair", "delete"]


@frozen
class Change:
    """One attribute that differs. `None` stands for absent."""

    attribute: str
    before: str | None
    after: str | None
    reason: str = ""


@frozen
class Diff:
    """All that differs in one resource, and what that amounts to."""

    action: Action
    changes: tuple[Change, ...]
    observed: State | None
    desired: State | None

    def __bool__(self) -> bool:
        """Tell whether there is anything to do."""
        return self.action != "none"


def compare(
    observed: State | None,
    desired: State | None,
    *,
    fixed: frozenset[str] = frozenset(),
    asked: frozenset[str] = frozenset(),
    explain: Callable[[Change], str] = lambda _change: "",
) -> Diff:
    """Compare two states attribute by attribute, in the order of their names."""
    if observed == desired:
        return Diff(action="none", changes=(), observed=observed, desired=desired)
    have, want = observed or {}, desired or {}
    changes = []
    for attribute in sorted(have.keys() | want.keys()):
        before, after = have.get(attribute), want.get(attribute)
        if before != after:
            bare = Change(attribute=attribute, before=before, after=after)
            changes.append(_with_reason(bare, explain(bare)))
    return Diff(
        action=_action(observed, desired, {change.attribute for change in changes}, fixed, asked),
        changes=tuple(changes),
        observed=observed,
        desired=desired,
    )


def _with_reason(change: Change, reason: str) -> Change:
    return Change(
        attribute=change.attribute, before=change.before, after=change.after, reason=reason
    )


def _action(
    observed: State | None,
    desired: State | None,
    differing: set[str],
    fixed: frozenset[str],
    asked: frozenset[str],
) -> Action:
    if observed is None:
        return "create"
    if desired is None:
        return "delete"
    if differing & fixed:
        return "replace"
    return "update" if not asked or differing & asked else "repair"
