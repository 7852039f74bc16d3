"""How far a step is: the text that a live display shows for it."""

from __future__ import annotations

from engine.output.text import duration

_INTERVAL_S = 0.1
"""Minimum time between two texts. A step can advance thousands of times in a second."""
_MIN_ELAPSED_S = 3.0
"""Time after which the remaining time is estimated. Most steps take less."""
_MIB = 1 << 20


class Measure:
    """The amount that a step has done, in one unit.

    Args:
        label: A word for the step, such as `compiling`.
        total: The amount of the whole step.
        unit: A plural noun, or `bytes`.
        now: The current time in seconds.

    """

    def __init__(self, label: str, total: int, unit: str, now: float) -> None:
        self.label = label
        self.total = total
        self.unit = unit
        self.started = self.shown = now
        self.done = 0

    def advance(self, amount: int, now: float) -> str:
        """Add an amount, and return the text to show, or an empty string if it isn't time yet."""
        self.done = min(self.total, self.done + amount)
        if now - self.shown < _INTERVAL_S:
            return ""
        self.shown = now
        return self.text(now)

    def text(self, now: float) -> str:
        """Return the label, the amount, and the remaining time if the step takes long."""
        if self.unit == "bytes":
            amount = f"{self.done / _MIB:.1f} of {self.total / _MIB:.1f} MiB"
        else:
            amount = f"{self.done} of {self.total} {self.unit}"
        elapsed = now - self.started
        left = ""
        if elapsed >= _MIN_ELAPSED_S and 0 < self.done < self.total:
            left = f", about {duration(elapsed / self.done * (self.total - self.done))} left"
        return f"{self.label}: {amount}{left}"
