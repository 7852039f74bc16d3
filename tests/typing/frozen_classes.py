"""Types of frozen classes, as type checkers infer them.

`mypy` checks this file with all others. Each `type: ignore` is an expected error: mypy fails if the
error is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from typing_extensions import assert_type

from engine.frozen import Field, as_items, computed, field, fields, frozen, replace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


@frozen
class Plain:
    """Fields without descriptions."""

    name: str
    size: int = 1

    @property
    def label(self) -> str:
        """A property isn't a field."""
        return f"{self.name} ({self.size})"


@frozen
class Spec:
    """Keys of a table and a computed field."""

    path: str = field("The path.")
    color: Literal["red", "blue"] = field("The color.", default="red")
    digest: str = computed(default="")


def accepts_fields_by_position_and_name() -> None:
    assert_type(Plain("a"), Plain)
    assert_type(Plain("a", 2), Plain)
    assert_type(Plain(size=2, name="a"), Plain)
    assert_type(Spec("a", "blue", digest="x"), Spec)


def rejects_missing_unknown_and_wrong_fields() -> None:
    Plain()  # type: ignore[call-arg]
    Plain("a", 1, 2)  # type: ignore[call-arg]
    Plain("a", length=2)  # type: ignore[call-arg]
    Plain(1)  # type: ignore[arg-type]
    Spec()  # type: ignore[call-arg]
    Spec("a", "green")  # type: ignore[arg-type]


def knows_the_types_of_fields_and_members(plain: Plain, spec: Spec) -> None:
    assert_type(plain.size, int)
    assert_type(plain.label, str)
    assert_type(spec.color, Literal["red", "blue"])
    plain.length  # type: ignore[attr-defined] # noqa: B018


def rejects_changes(plain: Plain, spec: Spec) -> None:
    plain.size = 2  # type: ignore[misc]
    spec.digest = "x"  # type: ignore[misc]


def keeps_the_type_in_helpers(plain: Plain, spec: Spec) -> None:
    assert_type(replace(plain, size=2), Plain)
    assert_type(replace(spec, digest="x"), Spec)
    assert_type(fields(Spec), dict[str, Field])
    items: Iterator[tuple[str, Any]] = as_items(plain)
    assert_type(next(items)[0], str)
