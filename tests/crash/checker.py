"""The check after a fault: the results that an operator can expect of the next runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import product
from .sandbox import Command
from .supervisor import Outcome, run

_INTERNAL_ERROR = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """The final state that a scenario must reach."""

    version: str = product.NEW
    """The version that must be published. Empty if the path must not exist."""
    generations: int = 2
    """Maximum number of generations."""
    intermediate: Sequence[str] = ()
    """Versions that may be published after the next plain apply, if the command isn't an apply."""
    verify_exit_code: int = 0
    """Expected exit code of `verify`: 1 if no generation is live."""
    retry: Callable[[Path], Command] | None = None
    """The interrupted command if it isn't an apply. The user runs it again."""
    extra_check: Callable[[Path], Sequence[str]] = lambda _home: ()
    """Return further violations."""

    def __call__(self, home: Path, outcome: Outcome) -> list[str]:
        """Run the next commands and return the violations, one line each."""
        violations = [*_traceback(outcome)]
        if outcome.code == 0:
            violations += [f"reported success, but {text}" for text in self.missing_result(home)]
        apply = run(product.command(home, "apply"))
        if apply.code != 0:
            error = f"the next apply exited with {apply.code}: {product.last_output(apply)}"
            return [*violations, error]
        violations += [f"after the next apply: {text}" for text in self._after_apply(home)]
        violations += second_apply_changes(home)
        verify = run(product.command(home, "verify"))
        if verify.code != self.verify_exit_code:
            violations.append(f"verify exited with {verify.code}: {product.last_output(verify)}")
        return violations + product.unfinished_files(home, generations=self.generations)

    def missing_result(self, home: Path) -> Sequence[str]:
        """Return the differences from the final state."""
        error = product.published_error(home, [self.version], absent=not self.version)
        return [*([error] if error else []), *self.extra_check(home)]

    def _after_apply(self, home: Path) -> Sequence[str]:
        if self.retry is None:
            return self.missing_result(home)
        error = product.published_error(home, [self.version, *self.intermediate])
        if error or not self.missing_result(home):
            return [error] if error else []
        outcome = run(self.retry(home))
        if outcome.code != 0:
            return [f"the retry exited with {outcome.code}: {product.last_output(outcome)}"]
        return self.missing_result(home)


def _traceback(outcome: Outcome) -> list[str]:
    """Return a violation if the interrupted run ended with a traceback."""
    if outcome.killed:
        return []
    if outcome.code == _INTERNAL_ERROR or "Traceback (most recent call last)" in outcome.stderr:
        return [f"the run ended with a traceback: {product.last_output(outcome)}"]
    return []


def second_apply_changes(home: Path, *options: str) -> list[str]:
    """Run another apply and return the changes that it makes. There must be none."""
    command = product.command(home, "apply", "--json", *options)
    outcome = run(command, roots=[home], writes=True)
    if outcome.code != 0:
        return [f"the second apply exited with {outcome.code}: {product.last_output(outcome)}"]
    violations = []
    if product.reported_change(outcome):
        violations.append("the second apply reports a change")
    calls = [call for call in outcome.calls if call.effect != product.NO_EFFECT]
    return violations + [f"the second apply makes a change: {call}" for call in calls[:5]]
