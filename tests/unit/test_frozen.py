"""Frozen classes: immutable, and equal if their fields are equal.

converge has its own frozen classes because importing dataclasses or attrs slows down every start.
"""

from __future__ import annotations

from typing import Any

import pytest

from engine.frozen import as_items, computed, field, fields, frozen, replace


@frozen
class Point:
    """A point."""

    x: int
    y: int = 0

    @property
    def sum(self) -> int:
        return self.x + self.y


@frozen
class Size:
    """Another class with the same fields."""

    x: int
    y: int = 0


@frozen
class Declared:
    """A class with keys and a computed field."""

    name: str = field("The name.")
    size: int = field("The size.", default=3)
    digest: str = computed(default="")


def test_frozen_class_accepts_positional_and_named_fields() -> None:
    assert Point(1, 2) == Point(x=1, y=2) == Point(1, y=2)
    assert Point(1) == Point(1, 0)


def test_instances_of_two_frozen_classes_are_never_equal() -> None:
    others: tuple[object, ...] = (Size(1, 2), (1, 2))
    assert all(Point(1, 2) != other for other in others)


def test_equal_instances_have_equal_hashes() -> None:
    assert len({Point(1, 2), Point(1, 2), Point(2, 1)}) == 2


@pytest.mark.parametrize("name", ["x", "y", "z"])
def test_frozen_fields_cannot_be_set_or_added(name: str) -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match=f"Point.{name} is frozen"):
        setattr(point, name, 5)
    assert point == Point(1)


def test_frozen_fields_cannot_be_deleted() -> None:
    point = Point(1)
    with pytest.raises(AttributeError):
        del point.x
    assert point.x == 1


def test_frozen_instance_has_no_dict() -> None:
    assert not hasattr(Point(1), "__dict__")


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((), {}, "Point requires `x`"),
        ((), {"y": 1}, "Point requires `x`"),
        ((1, 2, 3), {}, "takes 2 arguments"),
        ((1,), {"z": 3}, "has no field `z`"),
        ((1,), {"x": 3}, "has no field `x`"),
    ],
)
def test_frozen_class_rejects_missing_and_unknown_fields(
    arguments: tuple[Any, ...], keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        Point(*arguments, **keywords)


def test_replace_returns_a_changed_copy() -> None:
    before = Point(1, 2)
    assert replace(before, y=5) == Point(1, 5)
    assert before == Point(1, 2)


def test_replace_rejects_unknown_fields() -> None:
    with pytest.raises(TypeError):
        replace(Point(1), z=1)


def test_fields_separate_keys_from_computed_fields() -> None:
    fields_by_name = fields(Declared)
    assert list(fields_by_name) == ["name", "size", "digest"]
    assert [field.computed for field in fields_by_name.values()] == [False, False, True]
    assert fields_by_name["name"].description == "The name."
    assert Declared("a") == Declared(name="a", size=3, digest="")


def test_items_and_repr_name_every_field() -> None:
    assert dict(as_items(Point(1, 2))) == {"x": 1, "y": 2}
    assert repr(Point(1, 2)) == "Point(x=1, y=2)"


def test_frozen_class_keeps_methods_and_docstring() -> None:
    assert Point(1, 2).sum == 3
    assert Point.__doc__ == "A point."
