"""Work that runs in threads beside the caller, such as waiting for a disk."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Start = Callable[[Callable[[], None]], None]
"""Runs a function, now or beside the caller."""


def run_now(function: Callable[[], None]) -> None:
    """Run a function in the thread of the caller."""
    function()


@contextmanager
def background() -> Iterator[Start]:
    """Yield a function that starts others in threads, and wait for them at the end.

    Raises:
        Exception: The first error of a started function, unless the caller raised one.

    """
    with ThreadPoolExecutor() as pool:
        started = []

        def start(function: Callable[[], None]) -> None:
            started.append(pool.submit(contextvars.copy_context().run, function))

        yield start
        for future in started:
            future.result()
