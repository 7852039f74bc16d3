"""A toy kind whose resources are small JSON files, unrelated to what converge manages."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from engine.declaration.inputs import TableInputs
from engine.declaration.load import KindRegistry
from engine.diff import Change, Diff
from engine.frozen import computed, field, frozen, replace
from engine.kind import State


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
        locked: Whether each widget has a lock.
    """

    spec = Widget
    fixed = frozenset({"color"})
    asked = frozenset({"text", "size", "color", "tags", "enabled"})

    def __init__(
        self,
        before_apply: Callable[[Widget], None] = lambda _spec: None,
        before_observe: Callable[[Widget], None] = lambda _spec: None,
        locked: bool = False,
    ) -> None:
        self.before_apply = before_apply
        self.before_observe = before_observe
        self.locked = locked

    def complete(self, spec: Widget, source: TableInputs) -> Widget:
        if spec.size < 1:
            source.problem(("size",), "`size` must be at least 1", "use a positive number")
        for index, tag in enumerate(spec.tags):
            if not tag.islower():
                source.problem(("tags", index), f"invalid tag `{tag}`", "use lowercase letters")
        text = spec.text
        if spec.read_from:
            path = source.path(spec.read_from, ("read-from",))
            content = source.read(path, ("read-from",))
            if content is None:
                source.problem(("read-from",), f"no such file: `{path}`")
            text = content or ""
        digest = ""
        if "library" in spec.tags:
            digest = source.tree(source.path("library", ("tags",)), ("tags",))
        return replace(spec, path=source.path(spec.path, ("path",)), text=text, digest=digest)

    def claims(self, spec: Widget) -> Iterable[str]:
        return (spec.path,)

    def needs(self, spec: Widget) -> Iterable[str]:
        return (spec.copies,) if spec.copies else ()

    def absent(self, spec: Widget) -> Widget | None:
        return None if spec.state == "absent" else Widget(path=spec.path, state="absent")

    def observe(self, spec: Widget) -> State | None:
        self.before_observe(spec)
        try:
            with open(spec.path, encoding="utf-8") as stream:
                return dict(json.load(stream))
        except FileNotFoundError:
            return None
        except ValueError:
            return {"damage": "unreadable"}

    def asks(self, spec: Widget, observed: State | None) -> bool:
        return observed is None

    def desire(
        self, spec: Widget, observed: State | None, needed: Mapping[str, State | None]
    ) -> State | None:
        if spec.state == "absent":
            return None
        copied = needed[spec.copies] if spec.copies else None
        text = copied["text"] if copied else spec.text
        return {
            "text": text,
            "color": spec.color,
            "size": str(spec.size),
            "enabled": str(spec.enabled).lower(),
            "tags": " ".join(spec.tags),
        }

    def explain(self, spec: Widget, change: Change) -> str:
        return "the file is damaged" if change.attribute == "damage" else "the spec changed"

    def lock(self, spec: Widget) -> str | None:
        return f"{spec.path}.lock" if self.locked else None

    def apply(self, spec: Widget, diff: Diff) -> None:
        self.before_apply(spec)
        if diff.desired is None:
            os.unlink(spec.path)
            return
        with open(spec.path, "w", encoding="utf-8") as stream:
            json.dump(dict(diff.desired), stream)

    def remarks(self, spec: Widget) -> Iterable[str]:
        return ("this widget has a notice",) if "notice" in spec.tags else ()

    def remember(self, spec: Widget) -> None:
        """Do nothing: a widget has no cache."""


def widget_registry(**options: Any) -> KindRegistry:
    """Return a registry with the kinds `widget` and `gadget`, which differ only in their name."""
    return KindRegistry(
        kinds={"widget": WidgetKind(**options), "gadget": WidgetKind(**options)}, default="widget"
    )
