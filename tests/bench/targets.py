"""What the figures are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.measure import Case, Sample, medians

Samples = Mapping[str, Sequence[Sample]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A figure drawn from the samples and the most it may be."""

    what: str
    at_most: float | None
    """None where nothing is asked: the figure is only told."""
    value: Callable[[Samples], float]
    needs: frozenset[str]
    """The cases it is drawn from; without one of them there is no figure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """A job, the ways to do it, and what is asked of ours."""

    title: str
    cases: Sequence[Case]
    targets: Sequence[Target]


def ratio(case: str, peer: str, at_most: float | None = None) -> Target:
    """Return the target that `case` takes at most `at_most` times as long as `peer`."""
    return Target(
        what=f"{case} ÷ {peer}",
        at_most=at_most,
        value=lambda samples: medians(samples)[case] / medians(samples)[peer],
        needs=frozenset({case, peer}),
    )


def memory(case: str, at_most: float) -> Target:
    """Return the target that `case` needs at most so many MiB."""
    return Target(
        what=f"{case}, peak memory in MiB",
        at_most=at_most,
        value=lambda samples: max(sample.peak for sample in samples[case]),
        needs=frozenset({case}),
    )


def start_up(case: str, bare: str, stats: str, at_most: float) -> Target:
    """Return the target that `case`, less what the `lstat`s cost, is so many times `bare`."""

    def value(samples: Samples) -> float:
        median = medians(samples)
        return (median[case] - (median[stats] - median[bare])) / median[bare]

    return Target(
        what=f"({case} − stats) ÷ {bare}",
        at_most=at_most,
        value=value,
        needs=frozenset({case, bare, stats}),
    )
