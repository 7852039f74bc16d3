"""The benchmarks count only runs that did the job, and report every missed target."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench.benchmarks import BENCHMARKS
from tests.bench.measure import Case, RunError, Sample, argv, run_command, run_rounds
from tests.bench.report import section
from tests.bench.targets import peak_ram, ratio, start_up


def run(tmp_path: Path, script: str, expected_output: str = "", exit_code: int = 0) -> Sample:
    return run_command(
        argv(sys.executable, "-I", "-c", script),
        environment={},
        directory=tmp_path,
        log=tmp_path / "log",
        expected_output=expected_output,
        exit_code=exit_code,
    )


def sample(wall: float) -> Sample:
    return Sample(wall=wall, cpu=wall, peak=wall)


def test_run_command_measures_time_and_ram(tmp_path: Path) -> None:
    light = run(tmp_path, "pass")
    heavy = run(tmp_path, "x = bytearray(500_000_000); sum(range(10**7))")
    assert heavy.cpu > light.cpu
    assert heavy.peak > light.peak + 100


@pytest.mark.parametrize(
    ("script", "expected_output"),
    [("raise SystemExit(3)", ""), ("print('changed=1')", "changed=0")],
)
def test_run_command_rejects_an_unexpected_result(
    tmp_path: Path, script: str, expected_output: str
) -> None:
    with pytest.raises(RunError):
        run(tmp_path, script, expected_output)


def test_run_command_accepts_an_expected_exit_code(tmp_path: Path) -> None:
    run(tmp_path, "raise SystemExit(2)", exit_code=2)
    with pytest.raises(RunError):
        run(tmp_path, "pass", exit_code=2)


def test_run_rounds_alternates_cases_and_skips_the_first_round() -> None:
    events: list[str] = []
    cases = [
        Case(name="a", commands=[["a1"], ["a2"]], before=lambda: events.append("clean a")),
        Case(name="b", commands=[["b"]]),
    ]

    def run_case(case: Case, command: object) -> Sample:
        events.append(f"{case.name}: {command}")
        return sample(1.0)

    samples = run_rounds(cases, 2, run_case)
    assert events == ["clean a", "a: ['a1']", "a: ['a2']", "b: ['b']"] * 3
    assert {name: [sample.wall for sample in runs] for name, runs in samples.items()} == {
        "a": [2.0, 2.0],
        "b": [1.0, 1.0],
    }


def test_targets_use_medians() -> None:
    samples = {
        "converge": [sample(wall) for wall in (1.0, 9.0, 2.0)],
        "peer": [sample(4.0)],
        "bare": [sample(0.5)],
        "stats": [sample(1.5)],
    }
    assert ratio("converge", "peer", 1.0).value(samples) == 0.5
    assert peak_ram("converge", 150).value(samples) == 9.0
    assert start_up("converge", "bare", "stats", 4.0).value(samples) == (2.0 - 1.0) / 0.5


@pytest.mark.parametrize(
    ("value", "at_most", "row"),
    [
        (0.9, 1.0, "| a ÷ b | 0.9 | 1 | met |"),
        (1.1, 1.0, "| a ÷ b | 1.1 | 1 | **missed** |"),
        (1.1, None, "| a ÷ b | 1.1 | | |"),
    ],
)
def test_section_reports_a_missed_target(value: float, at_most: float | None, row: str) -> None:
    run = {"wall": 0.25, "cpu": 1.5, "peak": 30.4}
    markdown = section(
        {
            "name": "noop-10",
            "title": "No-op",
            "facts": {"RAM": "1 GiB"},
            "samples": {"converge": [run]},
            "targets": [{"name": "a ÷ b", "value": value, "at_most": at_most}],
        }
    )
    assert "| converge | 250.0 ms | 250.0 ms – 250.0 ms | 1.50 s | 30 MiB |" in markdown
    assert row in markdown


def test_readme_lists_every_benchmark() -> None:
    readme = Path(__file__).with_name("README.md").read_text()
    assert [name for name in BENCHMARKS if f"`{name}`" not in readme] == []
