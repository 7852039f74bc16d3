"""The kind `link`: a symlink, usually into a venv, replaced by one rename."""

from __future__ import annotations

import os
import stat

from engine.display import Display
from engine.errors import ConvergeError
from engine.frozen import computed, field, frozen, replace
from engine.result import state_digest
from engine.system.existence import exists, lstat
from engine.system.files import fsync_dir, make_dirs
from engine.system.permissions import require_trusted_symlinks
from states.link.target import (
    content_dir,
    is_repaired_by_venv,
    normalize_target,
    require_script,
    target_of,
)
from states.venv.interpreter_links import is_in_environment, lost_environment
from states.venv.layout import NEW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Literal

    from engine.diff import Change, State
    from engine.kind import Dependencies, MayCreate
    from engine.table import Inputs
    from states.venv.run.shared import PathUses


_NOT_A_LINK = "not a link"


@frozen
class Link:
    """One symlink. The name of the table is its path."""

    to: str = field("Target: `venv.NAME:path/inside`, or an absolute path.", default="")
    needs: tuple[str, ...] = field("Addresses of resources to apply first.", default=())
    state: Literal["present", "absent"] = field("Whether the link must exist.", default="present")
    path: str = computed(default="")
    """The name of the table as an absolute path."""
    expected_target: str = computed(default="")
    """For a link that was removed from the declaration: its declared target. A link with
    another target isn't deleted."""


class LinkKind:
    """Creates, replaces, and deletes symlinks."""

    spec = Link
    immutable: frozenset[str] = frozenset()
    display = Display(
        hidden=frozenset({"target"}), shape="note", headline=("to", lambda to: f"→ {to}")
    )
    declared: frozenset[str] = frozenset()

    def __init__(self, uses: PathUses) -> None:
        self._uses = uses

    def normalize(self, spec: Link, inputs: Inputs) -> Link:
        """Validate the target, and set the path."""
        name = str(inputs.table[-1])
        path = inputs.path(name, ())
        if not os.path.basename(path) or not path.isprintable():
            inputs.error((), f"invalid path for a link: `{name}`")
        if spec.state == "present" and not spec.to:
            inputs.error((), "missing key `to`", 'for example: `to = "venv.web:bin/web"`')
        to = normalize_target(spec.to, inputs, linked=spec.state == "present")
        return replace(spec, path=path, to=to)

    def resolve_references(self, spec: Link, inputs: Inputs) -> Link:
        """Return the spec: it refers to no other table."""
        return spec

    def owned_paths(self, spec: Link) -> Iterable[str]:
        """Yield the path of the link, with symlinks in its parent directory resolved."""
        parent, name = os.path.split(spec.path)
        return (os.path.join(os.path.realpath(parent), name),)

    def implied_dependencies(self, spec: Link) -> Iterable[str]:
        """Yield the venv that the link points into, if any."""
        address, colon, _ = spec.to.partition(":")
        return (address,) if colon and spec.to.startswith("venv.") else ()

    def required_paths(self, spec: Link) -> Iterable[str]:
        """Yield the target, unless it is inside a venv that the link names."""
        is_path = spec.state == "present" and os.path.isabs(spec.to)
        return (spec.to,) if is_path else ()

    def may_create(self, spec: Link, path: str) -> bool:
        """Return whether a path leads through the link."""
        return spec.state == "present" and f"{path}/".startswith(f"{spec.path}/")

    def removal_spec(self, spec: Link) -> Link | None:
        """Return the spec that deletes the link."""
        if spec.state == "absent":
            return None
        return Link(path=spec.path, state="absent", expected_target=spec.to)

    def succeed(self, spec: Link, predecessors: tuple[Link, ...]) -> Link:
        """Return the spec: nothing is taken over."""
        return spec

    def opener(self, specs: Sequence[Link], jobs: int) -> Callable[[Link], LinkHandle]:
        """Record the linked files of venvs, and return `open`."""
        for spec in specs:
            if spec.state == "present":
                self._uses.add(spec.to, f"the link `{spec.path}`")
        return self.open

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
        """Decide the target.

        The target of a link into a venv is below the published path, so the link survives a switch.

        Raises:
            ConvergeError: The path isn't a symlink, or the venv of the target is declared absent.
            PermissionDenied: The path is inside a venv.

        """
        spec, observed = self.spec, self.observed
        if observed is not None and observed["to"] == _NOT_A_LINK:
            raise ConvergeError(
                f"`{spec.path}` exists and isn't a symlink",
                hint="move it; converge replaces only symlinks",
            )
        if spec.state == "absent":
            _require_declared_target(spec, observed)
            return LinkGoal(spec, observed, None)
        target = target_of(spec.path, spec.to, dependencies)
        problem = lost_environment(target, spec.to)
        if problem and is_in_environment(target):
            message, hint = problem
            raise ConvergeError(message, hint=hint)
        dangling = {"to": target, "target": "missing"}
        content = content_dir(spec.to, dependencies)
        if observed == dangling and is_repaired_by_venv(spec.to, content):
            return LinkGoal(spec, observed, dangling)
        desired = {"to": target, "target": "present"}
        if observed != desired:
            # Imported here: a no-op run creates nothing.
            from states.venv.generations.nesting import refuse_nested

            refuse_nested(spec.path)
        return LinkGoal(spec, observed, desired, content)

    def prepare_lock(self) -> str | None:
        """Return None: the last of several concurrent renames wins."""
        return None

    def reobserve(self) -> LinkHandle:
        """Read the link again."""
        return LinkHandle(self.spec)

    def notices(self) -> Iterable[str]:
        """Yield nothing."""
        return ()


class LinkGoal:
    """A symlink with the declared target, or none."""

    def __init__(
        self,
        spec: Link,
        observed: State | None,
        desired: State | None,
        content: str | None = None,
    ) -> None:
        self.spec = spec
        self.observed = observed
        self.desired = desired
        self.content = content
        """The directory with the content of the target's venv, if it is known."""

    @property
    def identity(self) -> str:
        """A digest of the target and of the time at which the symlink was created."""
        if self.desired is None:
            return "absent"
        if self.observed is None or self.observed["to"] != self.desired["to"]:
            return NEW
        created = os.lstat(self.spec.path).st_mtime_ns
        return state_digest({**self.desired, "created": str(created)})

    def explain(self, change: Change) -> str:
        """Return the reason for a change."""
        if change.attribute == "target":
            return "the target doesn't exist"
        return "it points to another target" if change.before and change.after else ""

    def check_preconditions(self, may_create: MayCreate) -> None:
        """Check that the current user may change the link, and that its target exists.

        Raises:
            ConvergeError: The target doesn't exist.
            PermissionDenied: The directory isn't writable, or another user could redirect it.
            OSError: A file is in the way, or the name is too long.

        """
        # Imported here: a no-op run changes nothing.
        from states.link.preconditions import require_changeable, require_target

        if may_create(self.spec.path):
            return  # A command runs first, and may change the host.
        require_changeable(self.spec.path)
        if self.desired is None:
            return
        if self.content is not None:
            require_script(self.spec.to, self.content)
        elif not self.spec.to.startswith("venv."):
            require_target(self.spec.path, self.spec.to, may_create)

    def apply(self) -> None:
        """Replace the link by one rename, or delete it.

        If the process is killed, the old or the new link exists, and perhaps a temporary link,
        which the next change of the link deletes.

        Raises:
            ConvergeError: The target doesn't exist.
            PermissionDenied: Another user could redirect the path.
            OSError: The link can't be created or deleted.

        """
        spec = self.spec
        directory, name = os.path.split(spec.path)
        require_trusted_symlinks(directory)
        if self.desired is None:
            os.unlink(spec.path)
            fsync_dir(directory)
            return
        # Imported here: a no-op run changes nothing.
        from states.link.preconditions import require_target, temporary_name
        from states.link.symlinks import delete_unfinished, replace_link

        target = self.desired["to"]
        require_target(spec.path, target)
        make_dirs(directory)
        delete_unfinished(directory, name)
        while not replace_link(
            target, spec.path, os.path.join(directory, temporary_name(name, ""))
        ):
            pass  # A concurrent run deleted the temporary link as unfinished.
        fsync_dir(directory)

    def refresh_cache(self) -> None:
        """Do nothing: there is no cache."""


def _observe(path: str) -> State | None:
    stats = lstat(path)
    if stats is None:
        return None
    if not stat.S_ISLNK(stats.st_mode):
        return {"to": _NOT_A_LINK}
    return {"to": os.readlink(path), "target": "present" if exists(path) else "missing"}


def _require_declared_target(spec: Link, observed: State | None) -> None:
    """Check that a link to delete still has its declared target.

    Raises:
        ConvergeError: It has another target, so another program may have created it.

    """
    _, _, inside = spec.expected_target.partition(":")
    expected = spec.expected_target
    suffix = f"/{inside}" if expected.startswith("venv.") else expected
    if observed is not None and not observed["to"].endswith(suffix):
        raise ConvergeError(
            f"`{spec.path}` points to `{observed['to']}`, expected `{expected}`",
            hint="delete it yourself if no program needs it",
        )
