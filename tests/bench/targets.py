"""Targets that the results are checked against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.measure import Case, Sample, medians

Samples = Mapping[str, Sequence[Sample]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A number computed from the samples, and its maximum."""

    name: str
    at_most: float | None
    """The maximum. None only reports the number."""
    value: Callable[[Samples], float]
    needs: frozenset[str]
    """The required cases. Without one of them, the target is omitted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """A job, the tools' ways to do it, and the targets of converge."""

    title: str
    cases: Sequence[Case]
    targets: Sequence[Target]


def ratio(case: str, peer: str, at_most: float | None = None) -> Target:
    """Return the target that `case` takes at most `at_most` times as long as `peer`."""
    return Target(
        name=f"{case} ÷ {peer}",
        at_most=at_most,
        value=lambda samples: medians(samples)[case] / medians(samples)[peer],
        needs=frozenset({case, peer}),
    )


def peak_ram(case: str, at_most: float, processes: int = 1) -> Target:
    """Return the target that `case` uses at most `at_most` MiB of RAM.

    With several processes, the number is an upper bound: forked processes share most of it.
    """
    return Target(
        name=f"{case}, peak RAM in MiB" + (f", {processes} processes" if processes > 1 else ""),
        at_most=at_most,
        value=lambda samples: processes * max(sample.peak for sample in samples[case]),
        needs=frozenset({case}),
    )


def start_up(case: str, bare: str, stats: str, at_most: float) -> Target:
    """Return the target that `case` without its `lstat` calls is at most a multiple of `bare`.

    Args:
        case: Name of the converge case.
        bare: Name of the case of an empty process.
        stats: Name of the case with one `lstat` call per file.
        at_most: The maximum multiple.
    """

    def value(samples: Samples) -> float:
        median = medians(samples)
        return (median[case] - (median[stats] - median[bare])) / median[bare]

    return Target(
        name=f"({case} − stats) ÷ {bare}",
        at_most=at_most,
        value=value,
        needs=frozenset({case, bare, stats}),
    )
