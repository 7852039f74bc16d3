"""Let one of the builds of a run compile what several need. The others take it from the cache."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from engine.system import signals

if TYPE_CHECKING:
    from collections.abc import Iterable

_POLL_S = 0.1


class Turns:
    """The names that builds are working on."""

    def __init__(self) -> None:
        self._ended = threading.Condition()
        self._taken: set[str] = set()

    def take(self, name: str) -> bool:
        """Take the turn for a name, unless another build has it. Return whether it is taken."""
        with self._ended:
            is_free = name not in self._taken
            self._taken.add(name)
            return is_free

    def end(self, names: Iterable[str]) -> None:
        """End turns, whether or not the work succeeded."""
        with self._ended:
            self._taken.difference_update(names)
            self._ended.notify_all()

    def wait(self, names: Iterable[str]) -> None:
        """Wait until no build has a turn for any of these names.

        Two builds would wait for each other forever if one had a turn here, so end them first.

        Raises:
            Interrupted: A signal was received.

        """
        awaited = set(names)
        with self._ended:
            while not self._taken.isdisjoint(awaited):
                signals.raise_if_interrupted()
                self._ended.wait(_POLL_S)
