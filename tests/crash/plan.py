"""How much of a sweep is run: a fixed sample for every change, more or all of it on demand."""

from __future__ import annotations

from dataclasses import dataclass

from .sweep import Choice, every_point, sample


@dataclass(frozen=True, slots=True)
class Plan:
    """``full`` runs every fault on every scene, at every point or at ``most`` points of each."""

    full: bool
    most: int = 0

    def points(self, first: int = 4, last: int = 6, others: int = 10) -> Choice:
        """The choice for one scene and fault; the numbers are for the sample."""
        if not self.full:
            return sample(first, last, others)
        if not self.most:
            return every_point
        return sample(self.most // 8, self.most // 3, self.most - self.most // 8 - self.most // 3)
