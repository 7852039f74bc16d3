"""The benchmarks count only runs that did the job, and say plainly what was missed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench.benchmarks import BENCHMARKS
from tests.bench.measure import Case, RunError, Sample, argv, run_command, run_rounds
from tests.bench.report import section
from tests.bench.targets import memory, ratio, start_up


def run(tmp_path: Path, script: str, says: str = "", exit_code: int = 0) -> Sample:
    return run_command(
        argv(sys.executable, "-I", "-c", script),
        environment={},
        folder=tmp_path,
        log=tmp_path / "log",
        says=says,
        exit_code=exit_code,
    )


def sample(wall: float) -> Sample:
    return Sample(wall=wall, cpu=wall, peak=wall)


def test_a_run_costs_time_and_memory(tmp_path: Path) -> None:
    light = run(tmp_path, "pass")
    heavy = run(tmp_path, "x = bytearray(500_000_000); sum(range(10**7))")
    assert heavy.cpu > light.cpu
    assert heavy.peak > light.peak + 100


@pytest.mark.parametrize(
    ("script", "says"), [("raise SystemExit(3)", ""), ("print('changed=1')", "changed=0")]
)
def test_a_run_that_did_something_else_does_not_count(
    tmp_path: Path, script: str, says: str
) -> None:
    with pytest.raises(RunError):
        run(tmp_path, script, says)


def test_an_exit_code_may_be_what_is_expected(tmp_path: Path) -> None:
    run(tmp_path, "raise SystemExit(2)", exit_code=2)
    with pytest.raises(RunError):
        run(tmp_path, "pass", exit_code=2)


def test_cases_take_turns_and_the_first_round_is_not_counted() -> None:
    events: list[str] = []
    cases = [
        Case(name="a", commands=[["a1"], ["a2"]], before=lambda: events.append("clean a")),
        Case(name="b", commands=[["b"]]),
    ]

    def pretend(case: Case, command: object) -> Sample:
        events.append(f"{case.name}: {command}")
        return sample(1.0)

    samples = run_rounds(cases, 2, pretend)
    assert events == ["clean a", "a: ['a1']", "a: ['a2']", "b: ['b']"] * 3
    assert {name: [one.wall for one in runs] for name, runs in samples.items()} == {
        "a": [2.0, 2.0],
        "b": [1.0, 1.0],
    }


def test_targets_are_drawn_from_medians() -> None:
    samples = {
        "ours": [sample(wall) for wall in (1.0, 9.0, 2.0)],
        "theirs": [sample(4.0)],
        "bare": [sample(0.5)],
        "stats": [sample(1.5)],
    }
    assert ratio("ours", "theirs", 1.0).value(samples) == 0.5
    assert memory("ours", 150).value(samples) == 9.0
    assert start_up("ours", "bare", "stats", 4.0).value(samples) == (2.0 - 1.0) / 0.5


@pytest.mark.parametrize(
    ("value", "at_most", "verdict"),
    [
        (0.9, 1.0, "| a ÷ b | 0.9 | 1 | met |"),
        (1.1, 1.0, "| a ÷ b | 1.1 | 1 | **missed** |"),
        (1.1, None, "| a ÷ b | 1.1 | | |"),
    ],
)
def test_a_missed_target_is_called_missed(
    value: float, at_most: float | None, verdict: str
) -> None:
    run = {"wall": 0.25, "cpu": 1.5, "peak": 30.4}
    text = section(
        {
            "name": "noop-10",
            "title": "No-op",
            "facts": {"memory": "1 GiB"},
            "samples": {"converge": [run]},
            "targets": [{"what": "a ÷ b", "value": value, "at_most": at_most}],
        }
    )
    assert "| converge | 250.0 ms | 250.0 ms – 250.0 ms | 1.50 s | 30 MiB |" in text
    assert verdict in text


def test_every_benchmark_is_told_of_in_the_readme() -> None:
    readme = Path(__file__).with_name("README.md").read_text()
    assert [name for name in BENCHMARKS if f"`{name}`" not in readme] == []
