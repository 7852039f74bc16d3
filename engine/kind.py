"""The contract between the loop and a kind: a class of resources, such as virtual environments.

A kind turns one table of the declaration, its *spec*, into two flat maps of strings: the
observed state and the desired state. Comparing, ordering, locking, and reporting belong to
the engine and are the same for every kind. A kind is any object with these attributes.

The calls of one run are a chain of values, so no call can come too early:

    Kind.open(spec)            -> Handle   observes the resource
    Handle.goal(dependencies)  -> Goal     decides the desired state
    Goal.apply()                           makes the change
    Handle.reobserve()         -> Handle   observes again
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from engine.diff import Change, State
    from engine.display import Display
    from engine.table import Inputs as Inputs

Spec = TypeVar("Spec")
Dependencies: TypeAlias = "Mapping[str, tuple[State | None, str]]"
"""The state and the identity of each direct dependency by address: observed after it was
applied, or as predicted in a dry run."""


MayCreate: TypeAlias = "Callable[[str], bool]"
"""Whether a dependency that hasn't been applied yet may create a path."""


class Kind(Protocol[Spec]):
    """A class of resources. One instance serves one run, from several threads."""

    spec: type[Spec]
    """A frozen class (`engine.frozen`). Its fields are the table's keys, with `_` for `-`."""
    immutable: frozenset[str]
    """Attributes that can't change in place. A difference means `replace`."""
    declared: frozenset[str]
    """Attributes that only a new declaration changes. If none of them differs, the resource
    has drifted and the action is `repair`."""
    display: Display
    """How reports for people show the attributes."""

    def normalize(self, spec: Spec, inputs: Inputs) -> Spec:
        """Return the spec with absolute paths and with the content of the files it names.

        Called once per declaration, and not at all if the parsed declaration is cached.
        Reports every error to `inputs` and raises nothing for bad input. Must not write.
        """

    def resolve_references(self, spec: Spec, inputs: Inputs) -> Spec:
        """Return the spec with the content of the tables that it refers to.

        For a kind that uses how other resources are declared, and not their state. Such a
        reference isn't a dependency. Called once per declaration, after all its tables were
        normalized without an error: `inputs.declared` has all of them. Reports every error to
        `inputs`. Must not write.
        """

    def owned_paths(self, spec: Spec) -> Iterable[str]:
        """Yield the absolute paths that belong to this resource alone, subtrees included.

        Pure apart from resolving symlinks in parent directories. Called several times a run.
        """

    def implied_dependencies(self, spec: Spec) -> Iterable[str]:
        """Yield the addresses that the spec refers to. Pure. Called once per declaration."""

    def required_paths(self, spec: Spec) -> Iterable[str]:
        """Yield the absolute paths that must exist before the resource is applied.

        If another resource owns such a path, the engine applies it first, unless that would be a
        cycle. Pure. Called once per declaration.
        """

    def may_create(self, spec: Spec, path: str) -> bool:
        """Return whether applying the resource may create an absolute path.

        Called by a plan, for a resource that would change. Must not write.
        """

    def removal_spec(self, spec: Spec) -> Spec | None:
        """Return the spec that requests removal, or None if there is nothing to remove. Pure."""

    def succeed(self, spec: Spec, predecessors: tuple[Spec, ...]) -> Spec:
        """Return the spec, changed if existing predecessors must be deleted last.

        Called without a lock before the resource is observed, if orphans had its address. Must
        not write. Raises `OSError` if the disk can't be read.
        """

    def opener(self, specs: Sequence[Spec], jobs: int) -> Callable[[Spec], Handle]:
        """Return a function like `open` for these resources, which may read ahead for all of them.

        Called once before a run visits the resources, without a lock and while the process has
        no other thread. The function may use what was read here until the first resource is
        processed. Later, the loop calls `open`. May fork, but must not write or start a program.
        Must not raise: `open` meets the same error again. If the process is killed, nothing
        remains.

        Args:
            specs: The specs of all resources of this kind, in the order of the visits.
            jobs: The maximum number of processes.

        """

    def open(self, spec: Spec) -> Handle:
        """Observe the resource.

        Called at least once for each resource and run, without a lock. Must not write, start
        a process, or run code of the resource.

        Raises:
            OSError: The disk can't be read. An I/O error never counts as absence.
            ConvergeError: The resource can't be observed for another reason.

        """


class Handle(Protocol):
    """One resource as observed at one moment."""

    @property
    def observed(self) -> State | None:
        """The observed state. None if the resource doesn't exist."""

    @property
    def requires_lookup(self) -> bool:
        """Whether `goal` has to ask the outside world: an index, or an interpreter."""

    def goal(self, dependencies: Dependencies) -> Goal:
        """Decide the desired state. An observed value that satisfies a range is kept.

        Called at least once for each resource, without a lock for a plan and with the lock
        before an apply. Handles of one resource and run return equal goals. May use the
        network and start processes. Must not write outside caches.

        Raises:
            ConvergeError: The state can't be reached, such as an unsatisfiable requirement.

        """

    def prepare_lock(self) -> str | None:
        """Return the path of the file to lock, or None if no lock is needed.

        Called before each apply, and again if another process deletes the file's directory.
        Creates the directory. If the process is killed, an empty directory and file remain,
        which the next run reuses.
        """

    def reobserve(self) -> Handle:
        """Observe again, and keep what this run has already looked up.

        Called under the lock, before and after `Goal.apply`. Raises like `Kind.open`.
        """

    def notices(self) -> Iterable[str]:
        """Yield messages that require no action. Pure.

        Called when the resource ends, on its latest handle, or after a failure on its first.
        """


class Goal(Protocol):
    """The decided state of one resource."""

    @property
    def desired(self) -> State | None:
        """The desired state. None if the resource must not exist."""

    @property
    def identity(self) -> str:
        """A short text that changes whenever the resource is replaced, even by an equal one.

        A dependent that reacts to changes records it. If `apply` replaces the resource, this is a
        text that no resource has had, such as `new`. Each run reads it: be cheap, and don't write.
        """

    def explain(self, change: Change) -> str:
        """Return a short reason for a change, or an empty string. Pure."""

    def check_preconditions(self, may_create: MayCreate) -> None:
        """Check everything about the host that lets `apply` fail before it starts.

        Called once by a plan, and by an apply before it takes the lock, so that both report the
        same error. A check doesn't call it. Must not write, and must work on a read-only file
        system.

        Args:
            may_create: Whether a dependency that would change may create a path. Such a path may
                be missing. In an apply, all dependencies have been applied.

        Raises:
            ConvergeError, OSError: `apply` would fail.

        """

    def apply(self) -> str | None:
        """Make the change. Return the output of a program to show in the report, if any.

        Called once, under the lock, with a goal made from an observation under that lock. May
        be killed at any instruction: the next run observes the result, and calls it again.

        Raises:
            ConvergeError: The change failed. The resource must be as it was before.
            OSError: As for `ConvergeError`.

        """

    def refresh_cache(self) -> None:
        """Update what the kind caches about a resource that is in the desired state.

        Called without a lock after each observation that shows no difference, except in a dry
        run. May write caches only, and must not fail if it can't.
        """


AnyKind: TypeAlias = Kind[Any]
"""A kind whose spec the engine treats as opaque."""
