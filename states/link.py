"""The kind `link`: a symlink to something inside a venv, swapped by one rename."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress

from engine.display import Display
from engine.errors import ConvergeError
from engine.frozen import computed, field, frozen, replace
from engine.system.files import fsync_dir, make_dirs, symlink
from engine.system.permissions import require_trusted_symlinks
from states.venv.generations.nesting import refuse_nested
from states.venv.layout import NEW, store_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from engine.diff import Change, State
    from engine.kind import Dependencies, Inputs


_NOT_A_LINK = "not a link"


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
    """Makes symlinks point to their declared targets."""

    spec = Link
    immutable: frozenset[str] = frozenset()
    display = Display(hidden=frozenset({"target"}))
    declared: frozenset[str] = frozenset()

    def normalize(self, spec: Link, inputs: Inputs) -> Link:
        """Take the path from the table's name."""
        name = str(inputs.table[-1])
        path = inputs.path(name, ())
        if not os.path.basename(path) or not path.isprintable():
            inputs.error((), f"`{name}` is no path for a link")
        if spec.state == "present" and not spec.to:
            inputs.error((), "the key `to` is missing", 'as in `to = "venv.NAME:bin/SCRIPT"`')
        to = spec.to
        _, _, inside = to.partition(":")
        if to and not to.startswith("venv."):
            to = inputs.path(to, ("to",))
        elif to and (not inside or os.path.isabs(inside) or ".." in inside.split("/")):
            inputs.error(("to",), f"`{to}` names nothing inside a venv", 'as in "venv.web:bin/web"')
        return replace(spec, path=path, to=to)

    def owned_paths(self, spec: Link) -> Iterable[str]:
        """Yield the link's own name, in the real directory."""
        parent, name = os.path.split(spec.path)
        return (os.path.join(os.path.realpath(parent), name),)

    def implied_dependencies(self, spec: Link) -> Iterable[str]:
        """Yield the venv that the link points into, if any."""
        return (spec.to.partition(":")[0],) if spec.to.startswith("venv.") else ()

    def removal_spec(self, spec: Link) -> Link | None:
        """Return the spec that deletes the link."""
        if spec.state == "absent":
            return None
        return Link(path=spec.path, state="absent", led=spec.to)

    def open(self, spec: Link) -> LinkHandle:
        """Read the link, and check whether its target exists."""
        return LinkHandle(spec)


class LinkHandle:
    """One symlink as observed."""

    requires_lookup = False

    def __init__(self, spec: Link) -> None:
        self.spec = spec
        self.observed = _observe(spec.path)

    def goal(self, dependencies: Dependencies) -> LinkGoal:
        """Decide the target: a path below the venv's published path, or the declared one."""
        spec, observed = self.spec, self.observed
        if observed is not None and observed["to"] == _NOT_A_LINK:
            raise ConvergeError(
                f"`{spec.path}` is there, and is no symlink",
                hint="move it away; converge replaces symlinks, and nothing else",
            )
        if spec.state == "absent":
            _require_declared_target(spec, observed)
            return LinkGoal(spec, None)
        target = _target(spec, dependencies)
        dangling = {"to": target, "target": "missing"}
        if observed == dangling and _is_repaired_by_venv(spec, dependencies):
            return LinkGoal(spec, dangling)
        desired = {"to": target, "target": "present"}
        if observed != desired:
            refuse_nested(spec.path)
        return LinkGoal(spec, desired)

    def prepare_lock(self) -> str | None:
        """Return None: of two concurrent renames, the last one wins."""
        return None

    def reobserve(self) -> LinkHandle:
        """Read the link again."""
        return LinkHandle(self.spec)

    def notices(self) -> Iterable[str]:
        """Yield nothing."""
        return ()


class LinkGoal:
    """A symlink with the declared target, or none."""

    def __init__(self, spec: Link, desired: State | None) -> None:
        self.spec = spec
        self.desired = desired

    def explain(self, change: Change) -> str:
        """Return the reason for a change."""
        if change.attribute == "target":
            return "what it leads to is not there"
        return "it leads elsewhere" if change.before and change.after else ""

    def apply(self) -> None:
        """Replace the link by one rename, or delete it."""
        spec = self.spec
        folder, name = os.path.split(spec.path)
        require_trusted_symlinks(folder)
        if self.desired is None:
            os.unlink(spec.path)
            fsync_dir(folder)
            return
        target = self.desired["to"]
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
            pass  # Another run deleted the temporary link as unfinished.
        fsync_dir(folder)

    def refresh_cache(self) -> None:
        """Do nothing: there is no cache."""


def _observe(path: str) -> State | None:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISLNK(found.st_mode):
        return {"to": _NOT_A_LINK}
    target = "present" if os.path.exists(path) else "missing"
    return {"to": os.readlink(path), "target": target}


def _require_declared_target(spec: Link, observed: State | None) -> None:
    """Refuse to remove, as vanished, a link that leads elsewhere than it was declared to."""
    _, _, inside = spec.led.partition(":")
    ours = f"/{inside}" if spec.led.startswith("venv.") else spec.led
    if observed is not None and not observed["to"].endswith(ours):
        raise ConvergeError(
            f"`{spec.path}` leads to `{observed['to']}` by now, and no longer to `{spec.led}`",
            hint="remove it yourself if it is to go",
        )


def _is_repaired_by_venv(spec: Link, dependencies: Dependencies) -> bool:
    """Tell whether what it leads to is, or may be, in the generation that is or will be live."""
    if not spec.to.startswith("venv."):
        return False
    address, _, inside = spec.to.partition(":")
    state = dependencies[address] or {}
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


def _target(spec: Link, dependencies: Dependencies) -> str:
    """Return the path inside the venv's published one, so that the link survives a switch."""
    if not spec.to.startswith("venv."):
        return spec.to
    address, _, inside = spec.to.partition(":")
    state = dependencies[address]
    if state is None:
        raise ConvergeError(
            f"`{spec.path}` leads into `{address}`, which is declared absent",
            hint='declare the link `state = "absent"` too',
        )
    return os.path.join(state["path"], inside)
