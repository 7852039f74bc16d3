"""How reports for people show the attributes of a kind."""

from __future__ import annotations

from engine.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Literal, TypeAlias

    Style: TypeAlias = Literal["values", "condition", "changed"]


@frozen
class Group:
    """Attributes with a common prefix, such as one for each file. The prefix isn't shown."""

    prefix: str
    """The beginning of the attribute names, such as `row.`."""
    style: Style = "values"
    """`values` shows both values. `condition` shows only the observed value, such as
    `modified`, because the desired one is always the same. `changed` shows neither."""
    noun: str = ""
    """The noun for one of them, such as `row`. Many new ones are then shown in columns."""


@frozen
class Display:
    """The display of all attributes of a kind. JSON output doesn't depend on it."""

    groups: tuple[Group, ...] = ()
    """In this order, after all attributes that belong to no group."""
    hidden: frozenset[str] = frozenset()
    """Attributes that are shown only with `--verbose`."""
    defaults: frozenset[tuple[str, str]] = frozenset()
    """Attributes with a value. For a new resource, only `--verbose` shows them."""
    headline: tuple[str, Callable[[str], str]] | None = None
    """An attribute that the heading of a new resource shows, and how to write its value."""
    describe: Callable[[Any], str] | None = None
    """Returns what the heading shows in place of a path, from the spec, without secrets."""
    expand: Callable[[Any], Mapping[str, Any]] | None = None
    """Returns the keys of a table, from the normalized spec, that it no longer contains as they
    were declared, or whose values may be secrets. The secrets are masked."""
    shape: str = "box"
    """The shape of a node in a drawing, as Graphviz names it."""
    runs: bool = False
    """Whether a change runs something, instead of creating or updating it."""

    def group_of(self, attribute: str) -> Group:
        """Return the group of an attribute. Without one, the result has an empty prefix."""
        for group in self.groups:
            if attribute.startswith(group.prefix):
                return group
        return _NO_GROUP


_NO_GROUP = Group("")
