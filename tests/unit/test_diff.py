"""Two states result in one action and its changes."""

from __future__ import annotations

import pytest

from engine.diff import Change, Diff, State, compare

IMMUTABLE = frozenset({"color"})
DECLARED = frozenset({"color", "text"})


@pytest.mark.parametrize(
    ("observed", "desired", "action"),
    [
        (None, None, "none"),
        ({}, {}, "none"),
        ({"text": "a"}, {"text": "a"}, "none"),
        (None, {}, "create"),
        (None, {"text": "a"}, "create"),
        ({}, None, "delete"),
        ({"color": "red"}, None, "delete"),
        ({"text": "a"}, {"text": "b"}, "update"),
        ({"text": "a"}, {"text": "a", "color": "red"}, "replace"),
        ({"text": "a", "color": "red"}, {"text": "b", "color": "blue"}, "replace"),
        ({"text": "a", "damage": "dent"}, {"text": "a"}, "repair"),
        ({"text": "a", "damage": "dent"}, {"text": "b"}, "update"),
        ({"damage": "dent"}, {"damage": "rust"}, "repair"),
    ],
)
def test_compare_derives_the_action(
    observed: State | None, desired: State | None, action: str
) -> None:
    assert compare(observed, desired, immutable=IMMUTABLE, declared=DECLARED).action == action


def test_compare_without_declared_attributes_plans_update() -> None:
    assert compare({"damage": "dent"}, {}).action == "update"


def test_changes_are_sorted_by_attribute() -> None:
    diff = compare({"b": "1", "c": "2", "z": "0"}, {"a": "3", "c": "4", "z": "0"})
    assert diff.changes == (
        Change(attribute="a", before=None, after="3"),
        Change(attribute="b", before="1", after=None),
        Change(attribute="c", before="2", after="4"),
    )


def test_empty_value_differs_from_a_missing_one() -> None:
    assert compare({"a": ""}, {}).changes == (Change(attribute="a", before="", after=None),)


def test_change_has_the_reason_given_by_the_kind() -> None:
    diff = compare({"a": "1"}, {"a": "2", "b": "3"}, explain=lambda c: f"because of {c.attribute}")
    assert [change.reason for change in diff.changes] == ["because of a", "because of b"]


def test_explain_is_not_called_without_a_difference() -> None:
    def explain(change: Change) -> str:
        raise AssertionError(change)

    assert not compare({"a": "1"}, {"a": "1"}, explain=explain)


def test_diff_with_an_action_is_truthy() -> None:
    diff = compare({"a": "1"}, None)
    assert isinstance(diff, Diff)
    assert diff
