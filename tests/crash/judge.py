"""The judgement after a fault: what an operator may expect of the next runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import product
from .cage import Command
from .supervisor import Outcome, run

_BUG = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """What must be so in the end."""

    version: str = product.NEW
    """What is published then; empty for nothing."""
    generations: int = 2
    """How many there may be."""
    between: Sequence[str] = ()
    """What may be published after the next plain apply, if the command was another one."""
    verified: int = 0
    """How ``verify`` ends then: 1 where no generation is live."""
    repeat: Callable[[Path], Command] | None = None
    """The command again, if it was no apply: for who saw it interrupted."""
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
        wrong += [f"after the next apply: {text}" for text in self._next(home)]
        wrong += idle(home)
        verified = run(product.command(home, "verify"))
        if verified.code != self.verified:
            wrong.append(f"verify ended with {verified.code}: {product.said(verified)}")
        return wrong + product.leftovers(home, generations=self.generations)

    def done(self, home: Path) -> Sequence[str]:
        """What is not as it must be in the end."""
        return self._found(home, [self.version])

    def _found(self, home: Path, versions: Sequence[str]) -> Sequence[str]:
        seen = product.look(home, versions, absent="" in versions)
        return [*([seen] if seen else []), *self.extra(home)]

    def _next(self, home: Path) -> Sequence[str]:
        if self.repeat is None:
            return self.done(home)
        seen = product.look(home, [self.version, *self.between])
        if seen or not self.done(home):
            return [seen] if seen else []
        outcome = run(self.repeat(home))
        if outcome.code != 0:
            return [f"the command again ended with {outcome.code}: {product.said(outcome)}"]
        return self.done(home)


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
