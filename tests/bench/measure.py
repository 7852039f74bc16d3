"""Run commands and measure their cost."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Command = Sequence[str]


def argv(*parts: str | Path) -> list[str]:
    """Return the parts of a command as strings."""
    return [str(part) for part in parts]


class RunError(Exception):
    """A command that didn't do the benchmark's job."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The cost of one run."""

    wall: float
    """Wall time in seconds, from the start of the first command to the end of the last one."""
    cpu: float
    """CPU time in seconds, including child processes."""
    peak: float
    """Peak RAM of the largest process in MiB.

    Never less than that of the benchmark itself, because the kernel counts a child's RAM before its
    exec.
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One tool's way to do the job of a benchmark."""

    name: str
    commands: Sequence[Command]
    """The measured commands, in order."""
    before: Callable[[], None] | None = None
    """Create the initial state. Not measured."""
    expected_output: str = ""
    """Text that every command must print if it did the job."""
    exit_code: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    """Additional environment variables of every command."""


def run_rounds(
    cases: Sequence[Case],
    repeat: int,
    run: Callable[[Case, Command], Sample],
) -> dict[str, list[Sample]]:
    """Run every case `repeat` times and return the samples by case name.

    The cases take turns, so that a busy minute of the machine affects all of them. Before the first
    round, each case runs once without being counted.

    Args:
        cases: The cases.
        repeat: Number of counted rounds.
        run: Runs and measures one command.
    """
    samples: dict[str, list[Sample]] = {case.name: [] for case in cases}
    for round_number in range(-1, repeat):
        for case in cases:
            if case.before is not None:
                case.before()
            os.sync()  # so that this run doesn't have to sync earlier writes
            parts = [run(case, command) for command in case.commands]
            if round_number >= 0:
                samples[case.name].append(_total(parts))
    return samples


def run_command(
    command: Command,
    *,
    environment: Mapping[str, str],
    directory: Path,
    log: Path,
    expected_output: str = "",
    exit_code: int = 0,
) -> Sample:
    """Run `command` and return its cost.

    Args:
        command: The command to run.
        environment: All environment variables.
        directory: Working directory.
        log: File for the output.
        expected_output: Text that the command must print.
        exit_code: Expected exit code.

    Raises:
        RunError: The command didn't exit or print as expected.
    """
    with log.open("wb") as output:
        start = time.perf_counter()
        child = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    printed = log.read_text(errors="replace")
    if child.returncode != exit_code or expected_output not in printed:
        expected = f"exit {exit_code}" + (f" and {expected_output!r}" if expected_output else "")
        message = (
            f"{' '.join(command)}\nexit {child.returncode}, expected {expected}:\n{printed[-4000:]}"
        )
        raise RunError(message)
    return Sample(wall=wall, cpu=usage.ru_utime + usage.ru_stime, peak=usage.ru_maxrss / 1024)


def medians(samples: Mapping[str, Sequence[Sample]]) -> dict[str, float]:
    """Return the median wall time in seconds by case name."""
    return {
        name: statistics.median(sample.wall for sample in runs) for name, runs in samples.items()
    }


def _total(parts: Sequence[Sample]) -> Sample:
    return Sample(
        wall=sum(part.wall for part in parts),
        cpu=sum(part.cpu for part in parts),
        peak=max(part.peak for part in parts),
    )
