"""Independent resources side by side, in threads: their work is in child processes."""

from __future__ import annotations

import contextvars
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.resource import Resource
    from engine.result import Result


def run_scheduled(
    rest: list[Resource],
    done: dict[str, Result],
    visit: Callable[[Resource], Result],
    jobs: int,
) -> None:
    """Visit each resource once its needs are in `done`; at most `jobs` at a time.

    Results are put into `done` by the calling thread alone. An exception of a visit is a
    bug: no further visit is started, those under way end, and it is raised.
    """
    waiting = list(rest)
    running: dict[Future[Result], Resource] = {}
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        while waiting or running:
            ready = [one for one in waiting if all(need in done for need in one.needs)]
            for one in ready[: max(1, jobs) - len(running)]:
                waiting.remove(one)
                context = contextvars.copy_context()
                running[pool.submit(context.run, visit, one)] = one
            if not running:
                raise RuntimeError(f"{waiting[0].address} needs what is not there to be visited")
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                one = running.pop(future)
                done[one.address] = future.result()
