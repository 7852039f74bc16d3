"""How much of a sweep is run: a fixed sample for every change, all of it on demand."""

from __future__ import annotations

from dataclasses import dataclass

from .sweep import Choice, every_point, sample


@dataclass(frozen=True, slots=True)
class Plan:
    """``full`` runs every point of everything."""

    full: bool

    def points(self, first: int = 4, last: int = 6, others: int = 10) -> Choice:
        """The choice for one scene and fault."""
        return every_point if self.full else sample(first, last, others)
