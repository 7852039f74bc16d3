"""Orphans: resources that a file no longer declares. Only `--prune` deletes them."""

from __future__ import annotations

from engine.errors import ConvergeError
from engine.frozen import frozen, replace
from engine.result import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.inventory import Inventory
    from engine.kind import AnyKind
    from engine.resource import Resource


@frozen
class Pruning:
    """The orphans of a run, and the declared resources in view of them."""

    declared: tuple[Resource, ...]
    """The declared resources. One that takes something over from an orphan knows it."""
    orphans: tuple[Resource, ...]
    """All orphans."""
    requested: tuple[Resource, ...]
    """The orphans to delete."""
    blocked: tuple[Result, ...]
    """The failures of those that can't be deleted."""
    early: tuple[Resource, ...]
    """Those to delete before the declared resources, which may need their paths."""
    late: tuple[tuple[Resource, str], ...]
    """Those from which a declared resource takes something over, with its address."""

    def late_steps(
        self, results: tuple[Result, ...]
    ) -> tuple[tuple[Resource, ...], tuple[Result, ...]]:
        """Separate the late orphans by the outcome of the resources that need them.

        Args:
            results: The results of the declared resources.

        Returns:
            The orphans to delete, and a result for each other one.

        """
        failed = {
            result.resource.address for result in results if result.outcome in ("failed", "skipped")
        }
        skipped = tuple(
            Result(resource=orphan, outcome="skipped", blocked_by=successor)
            for orphan, successor in self.late
            if successor in failed
        )
        deletable = (orphan for orphan, successor in self.late if successor not in failed)
        return tuple(deletable), skipped

    def remaining(self, results: tuple[Result, ...]) -> tuple[Resource, ...]:
        """Return the orphans that still exist after the run."""
        deleted = {result.resource.address for result in results if result.outcome == "changed"}
        return tuple(
            orphan
            for orphan in self.orphans
            if orphan not in self.requested or orphan.address not in deleted
        )

    def notices(self, remaining: tuple[Resource, ...]) -> list[str]:
        """Return a notice for each orphan that the run leaves because nothing requests more."""
        return [
            f"`{orphan.address}` was removed from `{orphan.file}` but still exists; "
            "to delete it, run with `--prune`"
            for orphan in remaining
            if orphan not in self.requested
        ]


def plan_pruning(inventory: Inventory, kinds: Mapping[str, AnyKind], *, prune: bool) -> Pruning:
    """Find the orphans of a run, and decide when each is deleted.

    Args:
        inventory: The record of declared resources.
        kinds: The kinds by name.
        prune: Whether to delete the orphans.

    Returns:
        The orphans in the order of their deletion.

    """
    orphans = inventory.orphans()
    declared = tuple(
        _succeeding(resource, orphans, inventory, kinds) for resource in inventory.declared
    )
    taking_over = {
        new.address for new, old in zip(declared, inventory.declared, strict=True) if new != old
    }
    requested = orphans if prune else ()
    blocked = tuple(filter(None, (_blocked(orphan, inventory) for orphan in requested)))
    excluded = {result.resource.address for result in blocked}
    late = tuple(
        (orphan, successor)
        for orphan in requested
        if orphan.address not in excluded
        and (successor := inventory.successors.get(orphan.address)) in taking_over
    )
    excluded.update(orphan.address for orphan, _ in late)
    early = tuple(orphan for orphan in requested if orphan.address not in excluded)
    return Pruning(declared, orphans, requested, blocked, early, late)


def _succeeding(
    resource: Resource,
    orphans: tuple[Resource, ...],
    inventory: Inventory,
    kinds: Mapping[str, AnyKind],
) -> Resource:
    """Add to a resource the orphans that had its address before.

    Args:
        resource: The declared resource.
        orphans: All orphans.
        inventory: The record of declared resources.
        kinds: The kinds by name.

    Returns:
        The resource, with another spec if it takes something over.

    """
    predecessors = tuple(
        orphan.spec
        for orphan in orphans
        if inventory.successors.get(orphan.address) == resource.address
        and orphan.kind == resource.kind
    )
    if not predecessors:
        return resource
    spec = kinds[resource.kind].succeed(resource.spec, predecessors)
    return replace(resource, spec=spec)


def _blocked(orphan: Resource, inventory: Inventory) -> Result | None:
    """Return a failure if a declared path is inside the orphan, so that it can't be deleted."""
    path = inventory.blocking_path(orphan)
    if not path:
        return None
    error = ConvergeError(
        f"can't prune `{orphan.address}`: it contains `{path}`, which is still declared",
        hint="declare a path outside it, apply, and prune again",
    )
    return Result(resource=orphan, outcome="failed", error=error)
