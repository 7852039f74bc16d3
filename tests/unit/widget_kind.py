"""A toy kind whose resources are small JSON files, unrelated to what converge manages."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from engine.diff import Change, State
from engine.display import Display, Group
from engine.frozen import computed, field, frozen, replace
from engine.kind import Dependencies, MayCreate
from engine.registry import KindRegistry
from engine.result import state_digest
from engine.table import Inputs


@frozen
class Widget:
    """A small file with attributes."""

    path: str = field("The path of the file.")
    text: str = field("The text in the file.", default="")
    read_from: str = field("A file to read the text from.", default="")
    copies: str = field("The address of a widget whose text is copied.", default="")
    color: Literal["red", "blue"] = field("The color.", default="red")
    size: int = field("The size, at least 1.", default=1)
    enabled: bool = field("Whether the widget is enabled.", default=False)
    tags: tuple[str, ...] = field("Tags in lowercase.", default=())
    password: str = field("A value that must stay secret.", default="")
    needs: tuple[str, ...] = field("Addresses of dependencies.", default=())
    state: Literal["present", "absent"] = field("Whether the file exists.", default="present")
    digest: str = computed(default="")


class WidgetKind:
    """Manage widgets, with hooks for tests.

    Args:
        before_apply: Called with the spec before a widget is written or deleted. It may raise.
        before_observe: Called with the spec before a widget is read. It may raise.
        preconditions: Called with the spec to check the preconditions. It may raise.
        locked: Whether each widget has a lock.
    """

    spec = Widget
    immutable = frozenset({"color"})
    declared = frozenset({"text", "size", "color", "tags", "enabled"})
    display = Display(groups=(Group("damage.", "condition"),), hidden=frozenset({"enabled"}))

    def __init__(
        self,
        before_apply: Callable[[Widget], None] = lambda _spec: None,
        before_observe: Callable[[Widget], None] = lambda _spec: None,
        preconditions: Callable[[Widget], None] = lambda _spec: None,
        locked: bool = False,
    ) -> None:
        self.before_apply = before_apply
        self.before_observe = before_observe
        self.preconditions = preconditions
        self.locked = locked

    def normalize(self, spec: Widget, inputs: Inputs) -> Widget:
        if spec.size < 1:
            inputs.error(("size",), "`size` must be at least 1", "use a positive number")
        for index, tag in enumerate(spec.tags):
            if not tag.islower():
                inputs.error(("tags", index), f"invalid tag `{tag}`", "use lowercase letters")
        text = spec.text
        if spec.read_from:
            path = inputs.path(spec.read_from, ("read-from",))
            content = inputs.read(path, ("read-from",))
            if content is None:
                inputs.error(("read-from",), f"no such file: `{path}`")
            text = content or ""
        digest = ""
        if "library" in spec.tags:
            path = inputs.path("library", ("tags",))
            digest = inputs.digest(path, "library", ("tags",))
        return replace(spec, path=inputs.path(spec.path, ("path",)), text=text, digest=digest)

    def resolve_references(self, spec: Widget, inputs: Inputs) -> Widget:
        return spec

    def owned_paths(self, spec: Widget) -> Iterable[str]:
        return (spec.path,)

    def implied_dependencies(self, spec: Widget) -> Iterable[str]:
        return (spec.copies,) if spec.copies else ()

    def required_paths(self, spec: Widget) -> Iterable[str]:
        return (spec.read_from,) if spec.read_from.startswith("/") else ()

    def may_create(self, spec: Widget, path: str) -> bool:
        return path == spec.path

    def removal_spec(self, spec: Widget) -> Widget | None:
        return None if spec.state == "absent" else Widget(path=spec.path, state="absent")

    def succeed(self, spec: Widget, predecessors: tuple[Widget, ...]) -> Widget:
        return spec

    def opener(self, specs: Sequence[Widget], jobs: int) -> Callable[[Widget], WidgetHandle]:
        return self.open

    def open(self, spec: Widget) -> WidgetHandle:
        return WidgetHandle(self, spec)

    # The rest isn't part of the contract: handle and goal call it, and tests override it.

    def observe(self, spec: Widget) -> State | None:
        self.before_observe(spec)
        try:
            with open(spec.path, encoding="utf-8") as stream:
                return dict(json.load(stream))
        except FileNotFoundError:
            return None
        except ValueError:
            return {"damage": "unreadable"}

    def desired_state(
        self, spec: Widget, observed: State | None, dependencies: Dependencies
    ) -> State | None:
        if spec.state == "absent":
            return None
        copied = dependencies[spec.copies][0] if spec.copies else None
        text = copied["text"] if copied else spec.text
        return {
            "text": text,
            "color": spec.color,
            "size": str(spec.size),
            "enabled": str(spec.enabled).lower(),
            "tags": " ".join(spec.tags),
        }

    def lock_path(self, spec: Widget) -> str | None:
        return f"{spec.path}.lock" if self.locked else None

    def apply(self, spec: Widget, desired: State | None) -> None:
        self.before_apply(spec)
        if desired is None:
            os.unlink(spec.path)
            return
        with open(spec.path, "w", encoding="utf-8") as stream:
            json.dump(dict(desired), stream)

    def refresh_cache(self, spec: Widget) -> None:
        """Do nothing: a widget has no cache."""


class WidgetHandle:
    """A widget as observed."""

    def __init__(self, kind: WidgetKind, spec: Widget) -> None:
        self.kind = kind
        self.spec = spec
        self.observed = kind.observe(spec)

    @property
    def requires_lookup(self) -> bool:
        return self.observed is None

    def goal(self, dependencies: Dependencies) -> WidgetGoal:
        desired = self.kind.desired_state(self.spec, self.observed, dependencies)
        return WidgetGoal(self.kind, self.spec, desired)

    def prepare_lock(self) -> str | None:
        return self.kind.lock_path(self.spec)

    def reobserve(self) -> WidgetHandle:
        return self.kind.open(self.spec)

    def notices(self) -> Iterable[str]:
        return ("this widget has a notice",) if "notice" in self.spec.tags else ()


class WidgetGoal:
    """The decided state of a widget."""

    def __init__(self, kind: WidgetKind, spec: Widget, desired: State | None) -> None:
        self.kind = kind
        self.spec = spec
        self.desired = desired

    @property
    def identity(self) -> str:
        return state_digest(self.desired)

    def explain(self, change: Change) -> str:
        return "the file is damaged" if change.attribute == "damage" else "the spec changed"

    def check_preconditions(self, may_create: MayCreate) -> None:
        self.kind.preconditions(self.spec)

    def apply(self) -> None:
        self.kind.apply(self.spec, self.desired)

    def refresh_cache(self) -> None:
        self.kind.refresh_cache(self.spec)


def widget_registry(**options: Any) -> KindRegistry:
    """Return a registry with the kinds `widget` and `gadget`, which differ only in their name."""
    return KindRegistry(
        kinds={"widget": WidgetKind(**options), "gadget": WidgetKind(**options)},
        defaults_kind="widget",
        digest_functions={"library": library_digest},
    )


def library_digest(path: str) -> str:
    """Return a text that depends on names, modes, and content of all files but hidden ones."""
    return "".join(
        f"{file.name} {file.stat().st_mode:o} {file.read_text()}"
        for file in sorted(Path(path).iterdir())
        if not file.name.startswith(".")
    )
