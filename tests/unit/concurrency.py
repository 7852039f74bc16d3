"""Measure how many threads are in a section at a time."""

from __future__ import annotations

import threading
import time


class Concurrency:
    """A section of code, entered with `with`, and the most threads that were in it at a time."""

    def __init__(self) -> None:
        self.peak = 0
        self._running = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        """Count the thread, and stay for a moment, so that others can enter."""
        with self._lock:
            self._running += 1
            self.peak = max(self.peak, self._running)
        time.sleep(0.01)

    def __exit__(self, *_error: object) -> None:
        """Stop counting the thread."""
        with self._lock:
            self._running -= 1
