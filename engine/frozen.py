"""Frozen classes: what `@dataclass(frozen=True, slots=True)` makes, at a fraction of its cost.

A no-op run mostly imports modules, and dataclasses generate and compile source code for each
class. These are the instructions of a whole process for a no-op run over one resource, measured
with cachegrind on Python 3.11. The total is 149.0 million, of which a bare interpreter needs
38.3 million.

    added to a no-op run                  instructions   increase
    import dataclasses                        +45.3 M       +30 %
    21 frozen dataclasses                    +138   M       +93 %
    21 frozen, slotted attrs classes         +184   M      +124 %
    21 msgspec structs                                      +70 %

A no-op run creates 21 of the classes below, which generate no code. Type checkers treat them as
dataclasses (PEP 681). See docs/adr/0002-own-frozen-values.md.
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
        """Return a decorator that does nothing: only type checkers read the options."""
        return lambda decorator: decorator


REQUIRED: Any = object()
"""The default of a field that must be given."""


class Field:
    """The properties of one field of a frozen class.

    Attributes:
        default: The default value, or `REQUIRED`.
        description: The description for editors and the reference, or an empty string.
        computed: Whether the field follows from others, so that a declaration can't set it.
        table: For a dictionary of tables, the frozen class of each of them.

    """

    __slots__ = ("computed", "default", "description", "table")

    def __init__(self, default: Any, description: str = "", *, computed: bool = False) -> None:
        self.default = default
        self.description = description
        self.computed = computed
        self.table: type[Any] | None = None


def field(description: str, *, default: Any = REQUIRED, table: type[Any] | None = None) -> Any:
    """Return a field that a table of the declaration can set.

    Args:
        description: The description for editors and the reference.
        default: The default value.
        table: For a dictionary of tables, the frozen class of each of them.

    Returns:
        The field.

    """
    declared = Field(default, description)
    declared.table = table
    return declared


def computed(*, default: Any, table: type[Any] | None = None) -> Any:
    """Return a field that a kind computes from others. A declaration can't set it.

    Args:
        default: The default value.
        table: For a dictionary of tables, the frozen class of each of them.

    Returns:
        The field.

    """
    result = Field(default, computed=True)
    result.table = table
    return result


@dataclass_transform(frozen_default=True, field_specifiers=(field, computed))
def frozen(cls: type[T]) -> type[T]:
    """Turn a class with annotations into a frozen, slotted class.

    The annotations are the fields, in this order. The initializer takes them by position or by
    name. Two instances of the same class are equal if all fields are equal. Fields of a base
    class aren't inherited.
    """
    fields_by_name = {name: _field(vars(cls).get(name, REQUIRED)) for name in cls.__annotations__}
    namespace = {
        name: member
        for name, member in vars(cls).items()
        if name not in fields_by_name and name not in ("__dict__", "__weakref__")
    }
    namespace.update(_METHODS, __slots__=tuple(fields_by_name), __fields__=fields_by_name)
    frozen_class: type[T] = type(cls.__name__, cls.__bases__, namespace)
    return frozen_class


def fields(frozen_class: Any) -> dict[str, Field]:
    """Return the fields of a frozen class, or of the class of an instance, by name."""
    fields_by_name: dict[str, Field] = frozen_class.__fields__
    return fields_by_name


def replace(instance: T, **changes: Any) -> T:
    """Return a copy with other values for some fields.

    Raises:
        TypeError: The class has no such field.

    """
    return type(instance)(**{**dict(as_items(instance)), **changes})


def as_items(instance: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name and the value of each field."""
    for name in instance.__slots__:
        yield name, getattr(instance, name)


def _field(default: Any) -> Field:
    return default if isinstance(default, Field) else Field(default)


def _init(self: Any, *positional: Any, **named: Any) -> None:
    values = dict(zip(self.__slots__, positional, strict=False))
    set_attribute = object.__setattr__  # the class's own raises
    for name, field in self.__fields__.items():
        if name in values:
            value = values[name]
        else:
            value = named.pop(name) if name in named else field.default
        if value is REQUIRED:
            raise TypeError(f"{type(self).__name__} requires `{name}`")
        set_attribute(self, name, value)
    if len(positional) > len(self.__slots__):
        raise TypeError(f"{type(self).__name__} takes {len(self.__slots__)} arguments")
    if named:
        raise TypeError(f"{type(self).__name__} has no field `{next(iter(named))}`")


def _raise_frozen(self: Any, name: str, *_value: object) -> None:
    raise AttributeError(f"{type(self).__name__}.{name} is frozen")


def _equal(self: Any, other: object) -> bool:
    return type(self) is type(other) and list(as_items(self)) == list(as_items(other))


def _hash(self: Any) -> int:
    return hash(tuple(as_items(self)))


def _repr(self: Any) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in as_items(self))
    return f"{type(self).__name__}({arguments})"


_METHODS = {
    "__init__": _init,
    "__setattr__": _raise_frozen,
    "__delattr__": _raise_frozen,
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _repr,
}
