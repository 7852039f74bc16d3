"""The judgement after a fault: what an operator may expect of the next two runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import product
from .supervisor import Outcome, run

_BUG = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """What must be so in the end."""

    version: str = product.NEW
    generations: int = 2
    verified: bool = True
    """Whether ``verify`` must find nothing wrong."""
    extra: Callable[[Path], Sequence[str]] = lambda _home: ()
    """Further things that must be so."""

    def __call__(self, home: Path, outcome: Outcome) -> list[str]:
        """The violations, one line each."""
        wrong = [*_struck(outcome)]
        if outcome.code == 0:
            wrong += [f"success was reported, but {text}" for text in self.done(home)]
        again = run(product.command(home, "apply"))
        if again.code != 0:
            return [*wrong, f"the next apply ended with {again.code}: {product.said(again)}"]
        wrong += [f"after the next apply: {text}" for text in self.done(home)]
        wrong += idle(home)
        if self.verified:
            verified = run(product.command(home, "verify"))
            if verified.code != 0:
                wrong.append(f"verify ended with {verified.code}: {product.said(verified)}")
        return wrong + product.leftovers(home, generations=self.generations)

    def done(self, home: Path) -> Sequence[str]:
        """What is not as declared."""
        seen = product.look(home, [self.version])
        return [*([seen] if seen else []), *self.extra(home)]


def _struck(outcome: Outcome) -> list[str]:
    """What the run that met the fault must not do: crash, or hang."""
    if outcome.killed:
        return []
    if outcome.code == _BUG or "Traceback (most recent call last)" in outcome.stderr:
        return [f"it ended with a traceback: {product.said(outcome)}"]
    return []


def idle(home: Path) -> list[str]:
    """What one more apply does, though there is nothing to do."""
    outcome = run(product.command(home, "apply", "--json"), roots=[home], writes=True)
    if outcome.code != 0:
        return [f"the second apply ended with {outcome.code}: {product.said(outcome)}"]
    wrong = ["the second apply says it changed something"] if product.changed(outcome) else []
    calls = [call for call in outcome.calls if call.effect != product.TOUCHES]
    return wrong + [f"the second apply still does {call}" for call in calls[:5]]
