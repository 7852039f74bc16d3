"""Properties of the difference between two states."""

from __future__ import annotations

from hypothesis import given

from engine.diff import State, compare
from tests.property.strategies import states

IMMUTABLE, DECLARED = frozenset({"color"}), frozenset({"color", "text", "size"})


@given(states, states)
def test_changes_turn_observed_into_desired(observed: State | None, desired: State | None) -> None:
    diff = compare(observed, desired, immutable=IMMUTABLE, declared=DECLARED)
    patched = dict(observed or {})
    for change in diff.changes:
        assert patched.pop(change.attribute, None) == change.before
        if change.after is not None:
            patched[change.attribute] = change.after
    assert patched == dict(desired or {})


@given(states, states)
def test_changes_are_real_unique_and_sorted(observed: State | None, desired: State | None) -> None:
    diff = compare(observed, desired, immutable=IMMUTABLE, declared=DECLARED)
    attributes = [change.attribute for change in diff.changes]
    assert attributes == sorted(set(attributes))
    assert all(change.before != change.after for change in diff.changes)
    assert bool(diff) == (observed != desired)


@given(states, states)
def test_compare_is_symmetric(observed: State | None, desired: State | None) -> None:
    forward, backward = compare(observed, desired), compare(desired, observed)
    assert [(change.attribute, change.before, change.after) for change in forward.changes] == [
        (change.attribute, change.after, change.before) for change in backward.changes
    ]


@given(states, states)
def test_action_follows_from_the_differing_attributes(
    observed: State | None, desired: State | None
) -> None:
    diff = compare(observed, desired, immutable=IMMUTABLE, declared=DECLARED)
    differing = {change.attribute for change in diff.changes}
    if observed == desired:
        expected = "none"
    elif observed is None or desired is None:
        expected = "create" if observed is None else "delete"
    elif "color" in differing:
        expected = "replace"
    else:
        expected = "update" if differing & DECLARED else "repair"
    assert diff.action == expected
