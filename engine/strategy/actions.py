"""The action for a difference: report it, or make the change.

`plan`, `apply`, `check`, and recovery after a crash run the same loop (`engine.converge`). They
differ only in their strategy.
"""

from __future__ import annotations

import time

from engine import progress
from engine.errors import NotConverged
from engine.result import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.diff import Diff
    from engine.kind import Goal
    from engine.resource import Resource
    from engine.strategy.target import Comparison, Target


class Intent:
    """A record of what a run is about to change. This one records nothing."""

    def check(self) -> None:
        """Check that the record can be written. Must not write.

        Raises:
            ConvergeError: It can't be.

        """

    def record(self) -> None:
        """Write the record, before each change, with nothing changed yet.

        Raises:
            ConvergeError: It can't be written, so nothing may be changed.

        """


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

    def __init__(self, intent: Intent | None = None, *, compare_only: bool = False) -> None:
        self.intent = intent or Intent()
        self.compare_only = compare_only

    def execute(self, target: Target, comparison: Comparison) -> Result:
        """Return the change that `Apply` would make."""
        if not self.compare_only:
            comparison.goal.check_preconditions(target.may_create)
            self.intent.check()
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
        intent: Records the declared resources before each change.

    """

    def __init__(self, lock_timeout: float, intent: Intent | None = None) -> None:
        self.lock_timeout = lock_timeout
        self.intent = intent or Intent()

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
        comparison.goal.check_preconditions(target.may_create)
        self.intent.check()
        with hold_lock(comparison.handle.prepare_lock, self.lock_timeout, on_wait=progress.step):
            # Another process may have changed the resource before the lock was taken.
            before = target.compare(comparison.handle.reobserve())
            if not before.diff:
                return unchanged(resource, before)
            self.check_allowed(resource, before.diff)
            self.intent.record()
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


def unchanged(resource: Resource, comparison: Comparison) -> Result:
    """Return the result of a resource that is up to date."""
    handle = comparison.handle
    return Result(
        resource=resource,
        outcome="unchanged",
        state=handle.observed,
        identity=comparison.goal.identity,
        observed=handle.observed,
        notices=tuple(handle.notices()),
    )
