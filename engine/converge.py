"""The loop: observe, compare, apply, observe again.

Plan, apply, check, and recovery after a crash run this loop. They differ only in the
strategy (`engine.strategy`): `DryRun` reports a difference, `Apply` removes it.
"""

from __future__ import annotations

from functools import partial

from engine import progress
from engine.errors import ConvergeError, from_os_error
from engine.result import Result
from engine.strategy.actions import unchanged
from engine.strategy.target import Target
from engine.system import signals
from engine.system.existence import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from engine.kind import AnyKind, Handle
    from engine.resource import Resource
    from engine.strategy.actions import Strategy


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
    openers = _openers(order, kinds, jobs)
    remaining = [
        resource for resource in order if not loop.fast_path(resource, openers[resource.kind])
    ]
    del openers  # Their answers are out of date as soon as a resource changes.
    if remaining:
        # Imported here: a no-op doesn't need threads, which take milliseconds to import.
        from engine.order.scheduler import run_scheduled

        progress.start(len(remaining))
        run_scheduled(remaining, loop.results, loop.process, jobs)
    return tuple(loop.results[resource.address] for resource in order)


def _openers(
    order: tuple[Resource, ...], kinds: Mapping[str, AnyKind], jobs: int
) -> dict[str, Callable[[Any], Handle]]:
    """Let each kind read ahead for its resources.

    Args:
        order: The resources.
        kinds: The kinds by name.
        jobs: Maximum number of processes.

    Returns:
        A function for each kind that opens its resources.

    """
    specs: dict[str, list[Any]] = {}
    for resource in order:
        specs.setdefault(resource.kind, []).append(resource.spec)
    return {name: kinds[name].opener(of_kind, jobs) for name, of_kind in specs.items()}


class _Loop:
    """One call of `converge`: the results so far, and the resources that were observed."""

    def __init__(self, kinds: Mapping[str, AnyKind], strategy: Strategy) -> None:
        self.kinds = kinds
        self.strategy = strategy
        self.results: dict[str, Result] = {}
        self.handles: dict[str, Handle] = {}

    def fast_path(self, resource: Resource, open_: Callable[[Any], Handle]) -> bool:
        """Add the result of a resource that is up to date without a lookup, or return False."""
        if any(need not in self.results for need in resource.needs):
            return False
        try:
            handle = open_(resource.spec)
            self.handles[resource.address] = handle
            if handle.requires_lookup:
                return False
            comparison = self._target(resource).compare(handle)
            if comparison.diff:
                return False
            self.strategy.on_unchanged(comparison.goal)
        except (ConvergeError, OSError):
            return False  # `process` meets the same error again, and reports it.
        self.results[resource.address] = unchanged(resource, comparison)
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
                return unchanged(resource, comparison)
        except (ConvergeError, OSError) as error:
            reported = from_os_error(error) if isinstance(error, OSError) else error
            notices = tuple(handle.notices()) if handle is not None else ()
            return Result(resource=resource, outcome="failed", error=reported, notices=notices)

    def _target(self, resource: Resource) -> Target:
        results = {need: self.results[need] for need in resource.needs}
        dependencies = {need: (result.state, result.identity) for need, result in results.items()}
        kind = self.kinds[resource.kind]
        return Target(resource, kind, dependencies, partial(self._may_create, resource))

    def _may_create(self, resource: Resource, path: str) -> bool:
        pending = list(self._pending(resource))
        if not pending:
            return False
        paths = (path, resolve(path))
        return any(self.kinds[p.kind].may_create(p.spec, path) for p in pending for path in paths)

    def _pending(self, resource: Resource) -> Iterator[Resource]:
        """Yield the dependencies that a dry run left unchanged although they differ."""
        remaining, seen = list(resource.needs), set(resource.needs)
        while remaining:
            result = self.results[remaining.pop()]
            if result.outcome == "would-change":
                yield result.resource
            new = [need for need in result.resource.needs if need not in seen]
            remaining += new
            seen.update(new)
