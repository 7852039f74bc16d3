"""The loop: observe, compare, apply, observe again.

Plan, apply, check, and recovery after a crash run this loop. They differ only in the
strategy: `DryRun` reports a difference, `Apply` removes it.
"""

from __future__ import annotations

from engine import progress
from engine.diff import Diff, compare
from engine.errors import ConvergeError, NotConverged, from_os_error
from engine.frozen import frozen
from engine.result import Result
from engine.system import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.kind import AnyKind, Dependencies, Goal, Handle
    from engine.resource import Resource


def converge(
    order: tuple[Resource, ...], kinds: Mapping[str, AnyKind], strategy: Strategy, jobs: int = 1
) -> tuple[Result, ...]:
    """Run the loop over all resources.

    Resources that are up to date and need no lookup are settled first, in this thread. The
    others are processed in parallel, each after its dependencies.

    Args:
        order: The resources in topological order.
        kinds: The kinds by name.
        strategy: The action for a difference.
        jobs: Maximum number of resources to process in parallel.

    Returns:
        One result for each resource, in the given order, for any number of jobs.

    """
    results: dict[str, Result] = {}
    handles: dict[str, Handle] = {}
    remaining = []
    for resource in order:
        result = _fast_path(resource, kinds[resource.kind], strategy, results, handles)
        if result is None:
            remaining.append(resource)
        else:
            results[resource.address] = result
    if remaining:
        # Imported here: a no-op doesn't need threads, which take milliseconds to import.
        from engine.scheduler import run_scheduled

        def reconcile(resource: Resource) -> Result:
            return _reconcile(resource, kinds[resource.kind], strategy, results, handles)

        progress.start()
        run_scheduled(remaining, results, reconcile, jobs)
    return tuple(results[resource.address] for resource in order)


@frozen
class Target:
    """A resource with what its goal depends on."""

    resource: Resource
    kind: AnyKind
    dependencies: Dependencies

    def diff(self, handle: Handle) -> tuple[Goal, Diff]:
        """Decide the goal of an observation, and compare the two states."""
        goal = handle.goal(self.dependencies)
        diff = compare(
            handle.observed,
            goal.desired,
            immutable=self.kind.immutable,
            declared=self.kind.declared,
            explain=goal.explain,
        )
        return goal, diff


def _target(resource: Resource, kind: AnyKind, results: Mapping[str, Result]) -> Target:
    return Target(resource, kind, {need: results[need].state for need in resource.needs})


def _fast_path(
    resource: Resource,
    kind: AnyKind,
    strategy: Strategy,
    results: Mapping[str, Result],
    handles: dict[str, Handle],
) -> Result | None:
    """Settle a resource that is up to date without a lookup.

    Args:
        resource: The resource.
        kind: Its kind.
        strategy: The action for a resource that is up to date.
        results: The results so far.
        handles: The handle is added here if the resource was observed.

    Returns:
        The result, or None if the resource must be reconciled.

    """
    if any(need not in results for need in resource.needs):
        return None
    try:
        handle = handles[resource.address] = kind.open(resource.spec)
        if handle.requires_lookup:
            return None
        goal, diff = _target(resource, kind, results).diff(handle)
        if diff:
            return None
        strategy.on_unchanged(goal)
    except (ConvergeError, OSError):
        return None  # `_reconcile` meets the same error again, and reports it.
    return _unchanged(resource, handle)


def _reconcile(
    resource: Resource,
    kind: AnyKind,
    strategy: Strategy,
    results: Mapping[str, Result],
    handles: Mapping[str, Handle],
) -> Result:
    """Process one resource after all its dependencies have ended.

    Args:
        resource: The resource.
        kind: Its kind.
        strategy: The action for a difference.
        results: The results of all dependencies.
        handles: The handles of resources that were observed before.

    Returns:
        The result. Errors of the resource are part of it.

    """
    for need in resource.needs:
        dependency = results[need]
        if dependency.outcome in ("failed", "skipped"):
            blocked_by = dependency.blocked_by or need
            return Result(resource=resource, outcome="skipped", blocked_by=blocked_by)
    target = _target(resource, kind, results)
    handle = handles.get(resource.address)
    with progress.task(resource.address):
        try:
            signals.raise_if_interrupted()  # After a stop request, start nothing.
            if handle is None:
                handle = kind.open(resource.spec)
            goal, diff = target.diff(handle)
            if diff:
                return strategy.execute(target, handle, diff)
            strategy.on_unchanged(goal)
            return _unchanged(resource, handle)
        except (ConvergeError, OSError) as error:
            reported = from_os_error(error) if isinstance(error, OSError) else error
            notices = tuple(handle.notices()) if handle is not None else ()
            return Result(resource=resource, outcome="failed", error=reported, notices=notices)


class Strategy:
    """The action for a resource that differs, and for one that doesn't."""

    def execute(self, target: Target, handle: Handle, diff: Diff) -> Result:
        """Handle the difference of an observed resource.

        Args:
            target: The resource and its dependencies.
            handle: The observation.
            diff: The difference from the desired state.

        Returns:
            The result of the resource.

        Raises:
            ConvergeError, OSError: The resource failed.

        """
        raise NotImplementedError

    def on_unchanged(self, goal: Goal) -> None:
        """React to a resource that is up to date."""


class DryRun(Strategy):
    """Reports the difference, and takes the desired state as the result."""

    def execute(self, target: Target, handle: Handle, diff: Diff) -> Result:
        """Predict the change that `Apply` would make.

        Args:
            target: As for `Strategy.execute`.
            handle: As for `Strategy.execute`.
            diff: As for `Strategy.execute`.

        Returns:
            The result, with the desired state.

        """
        return Result(
            resource=target.resource,
            outcome="would-change",
            action=diff.action,
            changes=diff.changes,
            state=diff.desired,
            observed=diff.observed,
            notices=tuple(handle.notices()),
        )


class Apply(Strategy):
    """Makes the change.

    Attributes:
        lock_timeout: Maximum wait in seconds for another process to release a lock.
        record_intent: Called before each change, with nothing changed yet. It may raise
            `ConvergeError` to prevent the change.

    """

    def __init__(
        self, lock_timeout: float, record_intent: Callable[[], None] = lambda: None
    ) -> None:
        self.lock_timeout = lock_timeout
        self.record_intent = record_intent

    def execute(self, target: Target, handle: Handle, diff: Diff) -> Result:
        """Take the lock, observe again, make the change, and observe once more.

        Args:
            target: As for `Strategy.execute`.
            handle: The observation before the lock was taken.
            diff: The difference before the lock was taken.

        Returns:
            The result, with the observed state.

        Raises:
            LockTimeout: Another process holds the lock.
            NotConverged: The resource still differs.
            ConvergeError, OSError: The change failed, or isn't allowed.

        """
        # Imported here: a no-op run takes no lock.
        from engine.system.lock import hold_lock

        resource = target.resource
        with hold_lock(handle.prepare_lock, self.lock_timeout, on_wait=progress.step):
            # Another process may have changed the resource before the lock was taken.
            handle = handle.reobserve()
            goal, diff = target.diff(handle)
            if not diff:
                return _unchanged(resource, handle)
            self.check_allowed(resource, diff)
            self.record_intent()
            goal.apply()
            handle = handle.reobserve()
            goal, remaining = target.diff(handle)
        if remaining:
            names = ", ".join(change.attribute for change in remaining.changes[:5])
            raise NotConverged(
                f"still differs after apply: {names}",
                hint="another process may be writing there; run `converge plan` again",
            )
        self.on_unchanged(goal)
        return Result(
            resource=resource,
            outcome="changed",
            action=diff.action,
            changes=diff.changes,
            state=handle.observed,
            observed=handle.observed,
            notices=tuple(handle.notices()),
        )

    def check_allowed(self, resource: Resource, diff: Diff) -> None:
        """Raise a `ConvergeError` if this change must not be made. Every change is allowed."""

    def on_unchanged(self, goal: Goal) -> None:
        """Let the kind update its cache."""
        goal.refresh_cache()


def _unchanged(resource: Resource, handle: Handle) -> Result:
    return Result(
        resource=resource,
        outcome="unchanged",
        state=handle.observed,
        observed=handle.observed,
        notices=tuple(handle.notices()),
    )
