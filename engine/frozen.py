"""Immutable values: what a frozen, slotted dataclass is, at a fiftieth of its cost.

A run with nothing to do is a run that mostly imports. The standard library's module
costs as much to import as half an interpreter start, and half a millisecond for each
class on top, since it writes and compiles code. This does neither. Type checkers see
dataclasses (PEP 681).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeVar

    from typing_extensions import dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_options):
        """Only type checkers care."""
        return lambda decorator: decorator


REQUIRED: Any = object()


class Field:
    """What is known of one field of a value."""

    __slots__ = ("default", "derived", "description")

    def __init__(self, default: Any, description: str, derived: bool) -> None:
        self.default = default
        self.description = description
        self.derived = derived


def field(description: str, *, default: Any = REQUIRED) -> Any:
    """Make a field that a table of the declaration may set, described for editors."""
    return Field(default, description, derived=False)


def computed(*, default: Any) -> Any:
    """Make a field that follows from others: no key of any table."""
    return Field(default, "", derived=True)


@dataclass_transform(frozen_default=True, field_specifiers=(field, computed))
def frozen(cls: type[T]) -> type[T]:
    """Make of a class with annotations an immutable value with these fields, in this order.

    Values of one class are equal where all fields are. Fields have no other way in than
    the initialiser, by position or by name.
    """
    found = {name: _field(vars(cls).get(name, REQUIRED)) for name in cls.__annotations__}
    body = {
        name: member
        for name, member in vars(cls).items()
        if name not in found and name not in ("__dict__", "__weakref__")
    }
    body.update(_METHODS, __slots__=tuple(found), __fields__=found)
    made: type[T] = type(cls.__name__, cls.__bases__, body)
    return made


def fields(cls: Any) -> dict[str, Field]:
    """Return the fields of a value or of its class, by name."""
    found: dict[str, Field] = cls.__fields__
    return found


def replace(one: T, **changes: Any) -> T:
    """Return a copy with some fields changed."""
    return type(one)(**{**dict(as_items(one)), **changes})


def as_items(one: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names and contents of a value's fields."""
    for name in one.__slots__:
        yield name, getattr(one, name)


def _field(default: Any) -> Field:
    return default if isinstance(default, Field) else Field(default, "", derived=False)


def _init(self: Any, *positional: Any, **named: Any) -> None:
    given = dict(zip(self.__slots__, positional, strict=False))
    put = object.__setattr__
    for name, field in self.__fields__.items():
        if name in given:
            content = given[name]
        else:
            content = named.pop(name) if name in named else field.default
        if content is REQUIRED:
            raise TypeError(f"{type(self).__name__} lacks `{name}`")
        put(self, name, content)
    if named or len(positional) > len(self.__slots__):
        raise TypeError(f"{type(self).__name__} has no {', '.join(named) or 'so many fields'}")


def _refuse(self: Any, name: str, *_content: object) -> None:
    raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")


def _equal(self: Any, other: object) -> bool:
    return type(self) is type(other) and list(as_items(self)) == list(as_items(other))


def _hash(self: Any) -> int:
    return hash(tuple(as_items(self)))


def _repr(self: Any) -> str:
    inside = ", ".join(f"{name}={content!r}" for name, content in as_items(self))
    return f"{type(self).__name__}({inside})"


_METHODS = {
    "__init__": _init,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _repr,
}
