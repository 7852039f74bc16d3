"""The loop: observe, compare, bring about, observe again.

Plan, apply, check and the recovery after a crash are this one loop; they differ only
in the `Run` that is handed in, which either foretells a difference or brings it about.
"""

from __future__ import annotations

from engine import progress
from engine.diff import Change, Diff, compare
from engine.errors import ConvergeError, NotConverged, from_os_error
from engine.frozen import frozen
from engine.system import signals
from engine.system.lock import hold_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal, TypeAlias

    from engine.diff import Action
    from engine.kind import Kind, State
    from engine.resource import Resource

    Outcome: TypeAlias = Literal["unchanged", "changed", "would-change", "failed", "skipped"]
    Needed: TypeAlias = Mapping[str, State | None]


@frozen
class Result:
    """How one resource ended."""

    resource: Resource
    outcome: Outcome
    action: Action = "none"
    changes: tuple[Change, ...] = ()
    state: State | None = None
    """As it is at the end; in a dry run as predicted. What others go by."""
    observed: State | None = None
    """As it was last seen."""
    error: ConvergeError | None = None
    because: str = ""
    """For a skipped one: the address of the failure that it is the victim of."""


class Strategy:
    """What happens to a difference."""

    def execute(self, kind: Kind, resource: Resource, needed: Needed, diff: Diff) -> Result:
        """Return the result for a resource that differs, or raise a `ConvergeError`."""
        raise NotImplementedError

    def leave(self, kind: Kind, resource: Resource) -> None:
        """Take note of a resource that is as it should be."""


class DryRun(Strategy):
    """A dry run: the difference is told, and the desired state taken for granted."""

    def execute(self, kind: Kind, resource: Resource, needed: Needed, diff: Diff) -> Result:
        """Say what would change."""
        return Result(
            resource=resource,
            outcome="would-change",
            action=diff.action,
            changes=diff.changes,
            state=diff.desired,
            observed=diff.observed,
        )

    def leave(self, kind: Kind, resource: Resource) -> None:
        """Write nothing."""


class Apply(Strategy):
    """The real run. Waits at most `lock_timeout` seconds for another engine.

    `announce` is called before each change, with nothing done yet; it may raise `ConvergeError`.
    """

    def __init__(self, lock_timeout: float, announce: Callable[[], None] = lambda: None) -> None:
        self.lock_timeout = lock_timeout
        self.announce = announce

    def execute(self, kind: Kind, resource: Resource, needed: Needed, diff: Diff) -> Result:
        """Apply under the lock, to what is there by then, and look again."""
        with hold_lock(lambda: kind.lock(resource.spec), self.lock_timeout):
            diff = diff_resource(kind, resource, needed)
            if not diff:
                return _unchanged(resource, diff.observed)
            self.admit(resource, diff)
            self.announce()
            kind.apply(resource.spec, diff)
            after = diff_resource(kind, resource, needed)
        if after:
            names = ", ".join(change.attribute for change in after.changes[:5])
            raise NotConverged(
                f"applied, yet it still differs in {names}",
                hint="something else writes there too, or the kind is at fault; run the plan again",
            )
        self.leave(kind, resource)
        return Result(
            resource=resource,
            outcome="changed",
            action=diff.action,
            changes=diff.changes,
            state=after.observed,
            observed=after.observed,
        )

    def admit(self, resource: Resource, diff: Diff) -> None:
        """Raise a `ConvergeError` if this must not be done; anything may."""

    def leave(self, kind: Kind, resource: Resource) -> None:
        """Let the kind refresh its notes."""
        kind.remember(resource.spec)


def diff_resource(
    kind: Kind,
    resource: Resource,
    needed: Needed,
    observed: Literal["unknown"] | State | None = "unknown",
) -> Diff:
    """Observe one resource, unless that was just done, and compare."""
    spec = resource.spec
    if observed == "unknown":
        observed = kind.observe(spec)
    return compare(
        observed,
        kind.desire(spec, observed, needed),
        fixed=kind.fixed,
        asked=kind.asked,
        explain=lambda change: kind.explain(spec, change),
    )


def converge(
    order: tuple[Resource, ...], kinds: Mapping[str, Kind], run: Strategy, jobs: int = 1
) -> tuple[Result, ...]:
    """Run the loop over all resources; independent ones up to `jobs` at a time.

    `order` must be topological. The results come in that order, whatever `jobs` is.
    """
    done: dict[str, Result] = {}
    seen: dict[str, State | None] = {}
    rest = []
    for resource in order:
        result = _fast_path(resource, kinds[resource.kind], run, done, seen)
        if result is None:
            rest.append(resource)
        else:
            done[resource.address] = result
    if rest:
        # The import costs milliseconds that a run with nothing to do need not pay.
        from engine.scheduler import run_scheduled

        progress.start()
        run_scheduled(
            rest, done, lambda resource: reconcile(resource, kinds, run, done, seen), jobs
        )
    return tuple(done[resource.address] for resource in order)


def _fast_path(
    resource: Resource,
    kind: Kind,
    run: Strategy,
    done: Mapping[str, Result],
    seen: dict[str, State | None],
) -> Result | None:
    """Settle a resource that is as it should be, and is known to be without asking the world.

    What was observed of another one is noted in `seen`.
    """
    if any(need not in done for need in resource.needs):
        return None
    try:
        observed = seen[resource.address] = kind.observe(resource.spec)
        if kind.asks(resource.spec, observed):
            return None
        needed = {need: done[need].state for need in resource.needs}
        if diff_resource(kind, resource, needed, observed):
            return None
        run.leave(kind, resource)
    except (ConvergeError, OSError):
        # The visit meets the same error again, and reports it.
        return None
    return _unchanged(resource, observed)


def reconcile(
    resource: Resource,
    kinds: Mapping[str, Kind],
    run: Strategy,
    done: Mapping[str, Result],
    seen: Mapping[str, State | None],
) -> Result:
    """Bring one resource about, once all that it needs has ended."""
    for need in resource.needs:
        ended = done[need]
        if ended.outcome in ("failed", "skipped"):
            cause = ended.because or need
            return Result(resource=resource, outcome="skipped", because=cause)
    kind = kinds[resource.kind]
    needed = {need: done[need].state for need in resource.needs}
    with progress.task(resource.address):
        try:
            # Who was asked to stop begins nothing more.
            signals.raise_if_interrupted()
            diff = diff_resource(kind, resource, needed, seen.get(resource.address, "unknown"))
            if not diff:
                run.leave(kind, resource)
                return _unchanged(resource, diff.observed)
            return run.execute(kind, resource, needed, diff)
        except ConvergeError as error:
            return Result(resource=resource, outcome="failed", error=error)
        except OSError as error:
            return Result(resource=resource, outcome="failed", error=from_os_error(error))


def _unchanged(resource: Resource, observed: State | None) -> Result:
    return Result(resource=resource, outcome="unchanged", state=observed, observed=observed)
