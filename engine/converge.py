"""The loop: observe, compare, apply, observe again.

Plan, apply, check, and recovery after a crash run this loop. They differ only in the
strategy: `DryRun` reports a difference, `Apply` removes it.
"""

from __future__ import annotations

import time

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
    loop = _Loop(kinds, strategy)
    remaining = [resource for resource in order if not loop.fast_path(resource)]
    if remaining:
        # Imported here: a no-op doesn't need threads, which take milliseconds to import.
        from engine.order.scheduler import run_scheduled

        progress.start(len(remaining))
        run_scheduled(remaining, loop.results, loop.process, jobs)
    return tuple(loop.results[resource.address] for resource in order)


@frozen
class Comparison:
    """An observation, the goal that was decided from it, and the difference."""

    handle: Handle
    goal: Goal
    diff: Diff


@frozen
class Target:
    """A resource with the states that its goal depends on."""

    resource: Resource
    kind: AnyKind
    dependencies: Dependencies

    def compare(self, handle: Handle) -> Comparison:
        """Decide the goal of an observation, and compare the two states."""
        goal = handle.goal(self.dependencies)
        diff = compare(
            handle.observed,
            goal.desired,
            immutable=self.kind.immutable,
            declared=self.kind.declared,
            explain=goal.explain,
        )
        return Comparison(handle, goal, diff)


class _Loop:
    """One call of `converge`: the results so far, and the resources that were observed."""

    def __init__(self, kinds: Mapping[str, AnyKind], strategy: Strategy) -> None:
        self.kinds = kinds
        self.strategy = strategy
        self.results: dict[str, Result] = {}
        self.handles: dict[str, Handle] = {}

    def fast_path(self, resource: Resource) -> bool:
        """Add the result of a resource that is up to date without a lookup, or return False."""
        if any(need not in self.results for need in resource.needs):
            return False
        try:
            handle = self.kinds[resource.kind].open(resource.spec)
            self.handles[resource.address] = handle
            if handle.requires_lookup:
                return False
            comparison = self._target(resource).compare(handle)
            if comparison.diff:
                return False
            self.strategy.on_unchanged(comparison.goal)
        except (ConvergeError, OSError):
            return False  # `process` meets the same error again, and reports it.
        self.results[resource.address] = _unchanged(resource, comparison)
        return True

    def process(self, resource: Resource) -> Result:
        """Converge one resource after all its dependencies have ended. Called in a thread."""
        for need in resource.needs:
            dependency = self.results[need]
            if dependency.outcome in ("failed", "skipped"):
                blocked_by = dependency.blocked_by or need
                return Result(resource=resource, outcome="skipped", blocked_by=blocked_by)
        target = self._target(resource)
        handle = self.handles.get(resource.address)
        try:
            with progress.task(resource.address):
                signals.raise_if_interrupted()  # After a stop request, start nothing.
                if handle is None:
                    handle = target.kind.open(resource.spec)
                comparison = target.compare(handle)
                if comparison.diff:
                    return self.strategy.execute(target, comparison)
                self.strategy.on_unchanged(comparison.goal)
                return _unchanged(resource, comparison)
        except (ConvergeError, OSError) as error:
            reported = from_os_error(error) if isinstance(error, OSError) else error
            notices = tuple(handle.notices()) if handle is not None else ()
            return Result(resource=resource, outcome="failed", error=reported, notices=notices)

    def _target(self, resource: Resource) -> Target:
        results = {need: self.results[need] for need in resource.needs}
        dependencies = {need: (result.state, result.identity) for need, result in results.items()}
        return Target(resource, self.kinds[resource.kind], dependencies)


class Strategy:
    """The action for a resource that differs, and for one that doesn't."""

    def execute(self, target: Target, comparison: Comparison) -> Result:
        """Handle the difference of an observed resource.

        Raises:
            ConvergeError, OSError: The resource failed.

        """
        raise NotImplementedError

    def on_unchanged(self, goal: Goal) -> None:
        """React to a resource that is up to date."""


class DryRun(Strategy):
    """Reports the difference, and takes the desired state as the result.

    With `compare_only`, it doesn't report the error with which `Apply` would refuse the change.
    """

    def __init__(self, *, compare_only: bool = False) -> None:
        self.compare_only = compare_only

    def execute(self, target: Target, comparison: Comparison) -> Result:
        """Return the change that `Apply` would make."""
        if not self.compare_only:
            comparison.goal.check_preconditions()
        return Result(
            resource=target.resource,
            outcome="would-change",
            action=comparison.diff.action,
            changes=comparison.diff.changes,
            state=comparison.goal.desired,
            identity=comparison.goal.identity,
            observed=comparison.handle.observed,
            notices=tuple(comparison.handle.notices()),
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

    def execute(self, target: Target, comparison: Comparison) -> Result:
        """Take the lock, observe again, make the change, and observe once more.

        Raises:
            LockTimeout: Another process holds the lock.
            NotConverged: The resource still differs.
            ConvergeError, OSError: The change failed, or isn't allowed.

        """
        # Imported here: a no-op takes no lock.
        from engine.system.lock import hold_lock

        resource = target.resource
        started = time.monotonic()
        # Before the lock: its file may be the first thing that is created.
        comparison.goal.check_preconditions()
        with hold_lock(comparison.handle.prepare_lock, self.lock_timeout, on_wait=progress.step):
            # Another process may have changed the resource before the lock was taken.
            before = target.compare(comparison.handle.reobserve())
            if not before.diff:
                return _unchanged(resource, before)
            self.check_allowed(resource, before.diff)
            self.record_intent()
            output = before.goal.apply()
            after = target.compare(before.handle.reobserve())
        if after.diff:
            names = ", ".join(change.attribute for change in after.diff.changes[:5])
            raise NotConverged(
                f"still differs after apply: {names}",
                hint="another process may be writing there; run `converge plan` again",
            )
        self.on_unchanged(after.goal)
        return Result(
            resource=resource,
            outcome="changed",
            action=before.diff.action,
            changes=before.diff.changes,
            state=after.handle.observed,
            identity=after.goal.identity,
            observed=after.handle.observed,
            notices=tuple(after.handle.notices()),
            output=output or "",
            duration_s=round(time.monotonic() - started, 1),
        )

    def check_allowed(self, resource: Resource, diff: Diff) -> None:
        """Raise a `ConvergeError` if this change must not be made. Every change is allowed."""

    def on_unchanged(self, goal: Goal) -> None:
        """Let the kind update its cache."""
        goal.refresh_cache()


def _unchanged(resource: Resource, comparison: Comparison) -> Result:
    handle = comparison.handle
    return Result(
        resource=resource,
        outcome="unchanged",
        state=handle.observed,
        identity=comparison.goal.identity,
        observed=handle.observed,
        notices=tuple(handle.notices()),
    )
