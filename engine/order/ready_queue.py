"""The order in which resources start: the one that became ready last comes first.

So a command runs right after the last resource that it waits for, and not after every other
resource that was ready all along. Both the order of the report and the scheduler follow it.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.resource import Resource


class ReadyQueue:
    """The resources whose dependencies have all completed.

    Args:
        resources: The resources to start. Their order decides between two that became ready at
            the same time.
        completed: The addresses that completed earlier, in that order. Each dependency must be
            one of these or of the resources.

    """

    def __init__(self, resources: Iterable[Resource], completed: Iterable[str] = ()) -> None:
        self._completed = {address: index for index, address in enumerate(completed)}
        self._waiting: dict[str, set[str]] = {}
        self._dependents: dict[str, list[tuple[int, Resource]]] = {}
        self._ready: list[tuple[int, int, Resource]] = []
        for rank, resource in enumerate(resources):
            pending = {need for need in resource.needs if need not in self._completed}
            self._waiting[resource.address] = pending
            for need in pending:
                self._dependents.setdefault(need, []).append((rank, resource))
            if not pending:
                self._push(rank, resource)

    def __bool__(self) -> bool:
        """Return whether a resource is ready."""
        return bool(self._ready)

    def pop(self) -> Resource:
        """Remove and return the next ready resource."""
        return heappop(self._ready)[-1]

    def mark_completed(self, address: str) -> None:
        """Mark a resource as completed, so that its dependents may become ready."""
        self._completed[address] = len(self._completed)
        for rank, resource in self._dependents.pop(address, ()):
            pending = self._waiting[resource.address]
            pending.discard(address)
            if not pending:
                self._push(rank, resource)

    def _push(self, rank: int, resource: Resource) -> None:
        became_ready = max((self._completed[need] for need in resource.needs), default=-1)
        heappush(self._ready, (-became_ready, rank, resource))
