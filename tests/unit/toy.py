"""A kind whose world is a folder of small files: nothing that the command was made for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from engine.diff import Change, Diff
from engine.kind import State
from engine.loading import Composition
from engine.source import Source
from engine.value import derived, key, replace, value


@value
class Note:
    """A small file that says something."""

    path: str = key("Where it lies.")
    text: str = key("What it says.", default="")
    read_from: str = key("A file that says what it says.", default="")
    copies: str = key("Address of the note that it repeats.", default="")
    colour: Literal["red", "blue"] = key("What it is written in.", default="red")
    pages: int = key("How long it is.", default=1)
    signed: bool = key("Whether somebody stands by it.", default=False)
    tags: tuple[str, ...] = key("What it is about.", default=())
    password: str = key("Not for everybody.", default="")
    needs: tuple[str, ...] = key("Addresses of what must be there first.", default=())
    state: Literal["present", "absent"] = key("Whether it should be there.", default="present")
    about: str = derived(default="")


class NoteKind:
    """Keeps notes. `trouble` is called before each one is written, and may raise."""

    spec = Note
    fixed = frozenset({"colour"})
    asked = frozenset({"text", "pages", "colour", "tags", "signed"})

    def __init__(
        self,
        trouble: Callable[[Note], None] = lambda _spec: None,
        blind: Callable[[Note], None] = lambda _spec: None,
        locked: bool = False,
    ) -> None:
        self.trouble = trouble
        self.blind = blind
        self.locked = locked

    def complete(self, spec: Note, source: Source) -> Note:
        if spec.pages < 1:
            source.problem(("pages",), "`pages` must be at least 1", "a note has a page")
        for index, tag in enumerate(spec.tags):
            if not tag.islower():
                source.problem(("tags", index), f"`{tag}` is no tag", "use small letters")
        text = spec.text
        if spec.read_from:
            place = source.path(spec.read_from, ("read-from",))
            content = source.read(place, ("read-from",))
            if content is None:
                source.problem(("read-from",), f"no such file: `{place}`")
            text = content or ""
        about, key = "", ("tags",)
        if "library" in spec.tags:
            about = source.tree(source.path("library", key), key)
        return replace(spec, path=source.path(spec.path, ("path",)), text=text, about=about)

    def claims(self, spec: Note) -> Iterable[str]:
        return (spec.path,)

    def needs(self, spec: Note) -> Iterable[str]:
        return (spec.copies,) if spec.copies else ()

    def absent(self, spec: Note) -> Note | None:
        return None if spec.state == "absent" else Note(path=spec.path, state="absent")

    def observe(self, spec: Note) -> State | None:
        self.blind(spec)
        try:
            with open(spec.path, encoding="utf-8") as stream:
                return dict(json.load(stream))
        except FileNotFoundError:
            return None
        except ValueError:
            return {"stain": "unreadable"}

    def asks(self, spec: Note, observed: State | None) -> bool:
        return observed is None

    def desire(
        self, spec: Note, observed: State | None, needed: Mapping[str, State | None]
    ) -> State | None:
        if spec.state == "absent":
            return None
        copied = needed[spec.copies] if spec.copies else None
        text = copied["text"] if copied else spec.text
        return {
            "text": text,
            "colour": spec.colour,
            "pages": str(spec.pages),
            "signed": str(spec.signed).lower(),
            "tags": " ".join(spec.tags),
        }

    def explain(self, spec: Note, change: Change) -> str:
        return "somebody spilt something" if change.attribute == "stain" else "it was rewritten"

    def lock(self, spec: Note) -> str | None:
        return f"{spec.path}.lock" if self.locked else None

    def apply(self, spec: Note, diff: Diff) -> None:
        self.trouble(spec)
        if diff.desired is None:
            os.unlink(spec.path)
            return
        with open(spec.path, "w", encoding="utf-8") as stream:
            json.dump(dict(diff.desired), stream)

    def remarks(self, spec: Note) -> Iterable[str]:
        return ("it is about everything",) if "everything" in spec.tags else ()

    def remember(self, spec: Note) -> None:
        """There is nothing to remember."""


def composition(**options: Any) -> Composition:
    """Return two kinds, the second one like the first, and defaults for the first."""
    return Composition(
        kinds={"note": NoteKind(**options), "page": NoteKind(**options)}, default="note"
    )
