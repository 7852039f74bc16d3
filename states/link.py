"""The kind `link`: a symlink to something inside a venv, swapped by one rename."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress

from engine.errors import ConvergeError
from engine.frozen import computed, field, frozen, replace
from engine.system.files import fsync_dir, make_dirs, symlink
from engine.system.permissions import require_trusted_symlinks
from states.venv.generations.nesting import refuse_nested
from states.venv.generations.store import store_of
from states.venv.kind import NEW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal

    from engine.declaration.inputs import TableInputs
    from engine.diff import Change, Diff
    from engine.kind import State


@frozen
class Link:
    """One symlink; the name of the table is its path."""

    to: str = field("What it leads to: `venv.NAME:path/inside`, or an absolute path.", default="")
    needs: tuple[str, ...] = field("Addresses of what must be there first.", default=())
    state: Literal["present", "absent"] = field("Whether it should be there.", default="present")
    path: str = computed(default="")
    """The name of the table, absolute."""
    led: str = computed(default="")
    """What a link that vanished from its file led to: another one is somebody else's."""


class LinkKind:
    """Makes symlinks lead where their specs say."""

    spec = Link
    fixed: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()

    def complete(self, spec: Link, source: TableInputs) -> Link:
        """Take the path from the table's name."""
        name = str(source.table[-1])
        path = source.path(name, ())
        if not os.path.basename(path) or not path.isprintable():
            source.problem((), f"`{name}` is no path for a link")
        if spec.state == "present" and not spec.to:
            source.problem((), "the key `to` is missing", 'as in `to = "venv.NAME:bin/SCRIPT"`')
        to = spec.to
        _, _, inside = to.partition(":")
        if to and not to.startswith("venv."):
            to = source.path(to, ("to",))
        elif to and (not inside or os.path.isabs(inside) or ".." in inside.split("/")):
            source.problem(
                ("to",), f"`{to}` names nothing inside a venv", 'as in "venv.web:bin/web"'
            )
        return replace(spec, path=path, to=to)

    def claims(self, spec: Link) -> Iterable[str]:
        """A link owns its own name, in the real folder."""
        parent, name = os.path.split(spec.path)
        return (os.path.join(os.path.realpath(parent), name),)

    def needs(self, spec: Link) -> Iterable[str]:
        """A link into a venv waits for it."""
        return (spec.to.partition(":")[0],) if spec.to.startswith("venv.") else ()

    def absent(self, spec: Link) -> Link | None:
        """Ask for removal."""
        if spec.state == "absent":
            return None
        return Link(path=spec.path, state="absent", led=spec.to)

    def observe(self, spec: Link) -> State | None:
        """Read where it leads, and whether anything is there."""
        try:
            found = os.lstat(spec.path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISLNK(found.st_mode):
            return {"to": "not a link"}
        there = "there" if os.path.exists(spec.path) else "nothing"
        return {"to": os.readlink(spec.path), "target": there}

    def asks(self, spec: Link, observed: State | None) -> bool:
        """Everything is on the disk."""
        return False

    def desire(
        self, spec: Link, observed: State | None, needed: Mapping[str, State | None]
    ) -> State | None:
        """Say where it should lead."""
        if observed is not None and observed["to"] == "not a link":
            raise ConvergeError(
                f"`{spec.path}` is there, and is no symlink",
                hint="move it away; converge replaces symlinks, and nothing else",
            )
        if spec.state == "absent":
            _admit(spec, observed)
            return None
        target = _target(spec, needed)
        dangling = {"to": target, "target": "nothing"}
        if observed == dangling and _mended(spec, needed):
            return dangling
        wanted = {"to": target, "target": "there"}
        if observed != wanted:
            refuse_nested(spec.path)
        return wanted

    def explain(self, spec: Link, change: Change) -> str:
        """Say why."""
        if change.attribute == "target":
            return "what it leads to is not there"
        return "it leads elsewhere" if change.before and change.after else ""

    def lock(self, spec: Link) -> str | None:
        """A rename needs no lock: of two, one comes last."""
        return None

    def apply(self, spec: Link, diff: Diff) -> None:
        """Put the link in place of what is there, in one rename."""
        folder, name = os.path.split(spec.path)
        require_trusted_symlinks(folder)
        if diff.desired is None:
            os.unlink(spec.path)
            fsync_dir(folder)
            return
        target = diff.desired["to"]
        if not os.path.exists(os.path.join(folder, target)):
            raise ConvergeError(
                f"`{spec.path}` would lead to `{target}`, where nothing is",
                hint="a package may have dropped this script; look into the venv's `bin`"
                if spec.to.startswith("venv.")
                else "make that first; a link is put only where it leads to something",
            )
        make_dirs(folder)
        _clear(folder, name)
        while not _put(target, spec.path, os.path.join(folder, f".{name}.next-")):
            pass  # another engine took what we had put aside for left over
        fsync_dir(folder)

    def remarks(self, spec: Link) -> Iterable[str]:
        """There is nothing to say."""
        return ()

    def remember(self, spec: Link) -> None:
        """There is nothing to remember."""


def _admit(spec: Link, observed: State | None) -> None:
    """Refuse to remove, as vanished, a link that leads elsewhere than it was declared to."""
    _, _, inside = spec.led.partition(":")
    ours = f"/{inside}" if spec.led.startswith("venv.") else spec.led
    if observed is not None and not observed["to"].endswith(ours):
        raise ConvergeError(
            f"`{spec.path}` leads to `{observed['to']}` by now, and no longer to `{spec.led}`",
            hint="remove it yourself if it is to go",
        )


def _mended(spec: Link, needed: Mapping[str, State | None]) -> bool:
    """Tell whether what it leads to is, or may be, in the generation that is or will be live."""
    if not spec.to.startswith("venv."):
        return False
    address, _, inside = spec.to.partition(":")
    state = needed[address] or {}
    generation = state.get("generation", "")
    folder = store_of(state.get("path", "")).generation(generation)
    return generation == NEW or os.path.lexists(os.path.join(folder, inside))


def _clear(folder: str, name: str) -> None:
    """Remove what interrupted runs left: symlinks with names of our making, and nothing else."""
    ours = re.compile(rf"\.{re.escape(name)}\.next-[0-9a-f]{{8}}")
    for left in filter(ours.fullmatch, os.listdir(folder)):
        path = os.path.join(folder, left)
        with suppress(FileNotFoundError, PermissionError):  # it may be another user's
            if os.path.islink(path):
                os.unlink(path)


def _put(target: str, path: str, aside: str) -> bool:
    """Make a symlink and give it its name in one rename; tell whether it was still there."""
    aside += os.urandom(4).hex()
    symlink(target, aside)
    try:
        os.rename(aside, path)
    except FileNotFoundError:
        return False
    return True


def _target(spec: Link, needed: Mapping[str, State | None]) -> str:
    """Return the path inside the venv's published one, so that the link survives a switch."""
    if not spec.to.startswith("venv."):
        return spec.to
    address, _, inside = spec.to.partition(":")
    state = needed[address]
    if state is None:
        raise ConvergeError(
            f"`{spec.path}` leads into `{address}`, which is declared absent",
            hint='declare the link `state = "absent"` too',
        )
    return os.path.join(state["path"], inside)
