"""Process independent resources in parallel, in threads: child processes do most of the work.

Only a run with changes imports this module. Threads take milliseconds to import.
"""

from __future__ import annotations

import contextvars
import sysconfig
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from engine.order.ready_queue import ReadyQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.resource import Resource
    from engine.result import Result


def run_scheduled(
    remaining: list[Resource],
    results: dict[str, Result],
    process: Callable[[Resource], Result],
    jobs: int,
) -> None:
    """Process each resource after its dependencies, and as soon as possible after them.

    Args:
        remaining: The resources to process. Each of their dependencies is among them, or has
            a result. `ReadyQueue` decides which of several ready ones starts first.
        results: The result of each address, in the order in which they completed. Only the
            calling thread adds to it.
        process: Called in a thread, with a copy of the caller's context.
        jobs: Maximum number of resources to process at a time, at least 1.

    Raises:
        Exception: `process` raised it, which is a bug. No further resource was started, and
            those in progress have ended.

    """
    # Before 3.12, Python fills the cache of `sysconfig` without a lock, and libraries use it.
    sysconfig.get_config_vars()
    jobs = max(1, jobs)
    queue = ReadyQueue(remaining, results)
    running: dict[Future[Result], str] = {}
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        while queue or running:
            while queue and len(running) < jobs:
                resource = queue.pop()
                context = contextvars.copy_context()
                running[pool.submit(context.run, process, resource)] = resource.address
            completed, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in completed:
                address = running.pop(future)
                results[address] = future.result()
                queue.mark_completed(address)
