"""The contract between the loop and a class of resources.

A *kind* turns one table of the declaration, its *spec*, into two flat maps of
strings: what is there and what was asked. Everything else, comparing, ordering,
locking, reporting, is the engine's and is the same for every kind.

Only type checkers import this file: a kind is whatever has these names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias

from engine.declaration.inputs import TableInputs
from engine.diff import Change, Diff

State: TypeAlias = Mapping[str, str]
"""A resource as a flat map, attribute to value. Absent is `None`, never an empty map."""


class Kind(Protocol):
    """What a class of resources must be able to say and do.

    `observe` and `desire` write nothing; `apply` may be killed anywhere and is then
    simply called again. No method runs code of the thing that it looks at.
    """

    spec: type[Any]
    """A value (`engine.frozen`) whose fields are the keys of the TOML table, with `_` for `-`."""
    fixed: frozenset[str]
    """Attributes that cannot change in place: a difference means `replace`."""
    asked: frozenset[str]
    """Attributes that only a new declaration changes: when none of them differs, what
    was there has drifted and the action is `repair`."""

    def complete(self, spec: Any, source: TableInputs) -> Any:
        """Return the spec with paths made absolute and named files read through `source`.

        Problems are told to `source`, all of them; nothing is raised for bad input.
        """

    def claims(self, spec: Any) -> Iterable[str]:
        """Yield the absolute paths that are this resource's alone, with all below them."""

    def needs(self, spec: Any) -> Iterable[str]:
        """Yield the addresses that the spec itself implies."""

    def absent(self, spec: Any) -> Any | None:
        """Return the spec that asks for removal, or `None` where nothing is to be removed."""

    def observe(self, spec: Any) -> State | None:
        """Say what is there, as cheaply as can be without being wrong."""

    def asks(self, spec: Any, observed: State | None) -> bool:
        """Say whether `desire` would have to ask the world (an index, an interpreter)."""

    def desire(
        self, spec: Any, observed: State | None, needed: Mapping[str, State | None]
    ) -> State | None:
        """Say what should be there; an observed value that satisfies a range is echoed.

        `needed` holds the state of each direct need: as observed after applying it, or
        as predicted in a dry run. Asked twice in one run, the answer is the same.
        """

    def explain(self, spec: Any, change: Change) -> str:
        """Say in a few words why an attribute is to change; may be empty."""

    def lock(self, spec: Any) -> str | None:
        """Return the file to hold while applying, made if missing; `None` for no lock."""

    def apply(self, spec: Any, diff: Diff) -> None:
        """Bring the difference about, or raise a `ConvergeError`."""

    def remember(self, spec: Any) -> None:
        """Refresh our own notes about a resource that is as desired; most often does nothing."""

    def remarks(self, spec: Any) -> Iterable[str]:
        """Yield what somebody should know though nothing is to be done about it.

        Asked at the end of a run, of what was observed last.
        """
