"""Runs of real commands, with what the kernel says they cost."""

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
    """Return the command that consists of `parts`."""
    return [str(part) for part in parts]


class RunError(Exception):
    """A command that did not do what the benchmark is about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What one run cost."""

    wall: float
    """Seconds from the first command's start to the last one's end."""
    cpu: float
    """Seconds of processor time, children included."""
    peak: float
    """MiB of memory of the largest process; never less than the benchmark itself holds,
    since the kernel counts a child's memory from before its exec."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One way to do the job of a benchmark."""

    name: str
    commands: Sequence[Command]
    """Timed, one after the other."""
    before: Callable[[], None] | None = None
    """Brings about the state to start from; not timed."""
    says: str = ""
    """What every command must print, as proof that it did the job meant."""
    exit_code: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment of every command."""


def run_rounds(
    cases: Sequence[Case],
    repeat: int,
    run: Callable[[Case, Command], Sample],
) -> dict[str, list[Sample]]:
    """Run every case `repeat` times and return {case name: samples}.

    The cases take turns, so that a busy minute of the machine falls on all of them. Before the
    first round each runs once, uncounted.
    """
    samples: dict[str, list[Sample]] = {case.name: [] for case in cases}
    for round_number in range(-1, repeat):
        for case in cases:
            if case.before is not None:
                case.before()
            os.sync()  # what was written before this run is not this run's to flush
            parts = [run(case, command) for command in case.commands]
            if round_number >= 0:
                samples[case.name].append(_total(parts))
    return samples


def run_command(
    command: Command,
    *,
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    says: str = "",
    exit_code: int = 0,
) -> Sample:
    """Run `command` in `folder` and return its cost; raise `RunError` if it did something else."""
    with log.open("wb") as output:
        start = time.perf_counter()
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    printed = log.read_text(errors="replace")
    if child.returncode != exit_code or says not in printed:
        told = " ".join(command)
        expected = f"exit {exit_code}" + (f" and {says!r}" if says else "")
        message = f"{told}\nexit {child.returncode}, expected {expected}:\n{printed[-4000:]}"
        raise RunError(message)
    return Sample(wall=wall, cpu=usage.ru_utime + usage.ru_stime, peak=usage.ru_maxrss / 1024)


def medians(samples: Mapping[str, Sequence[Sample]]) -> dict[str, float]:
    """Return {case name: median wall seconds}."""
    return {name: statistics.median(one.wall for one in runs) for name, runs in samples.items()}


def _total(parts: Sequence[Sample]) -> Sample:
    return Sample(
        wall=sum(part.wall for part in parts),
        cpu=sum(part.cpu for part in parts),
        peak=max(part.peak for part in parts),
    )
