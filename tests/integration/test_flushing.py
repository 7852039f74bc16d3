"""What is published was flushed, and whatever the disk lost of it was heard of."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.host import Host

TRACED = "trace=openat,mkdir,symlink,syncfs"


def test_the_flush_before_publishing_hears_of_every_loss_since_the_first_file(
    stocked: Host,
) -> None:
    """The kernel tells an open file only of what was lost since it was opened."""
    if not shutil.which("strace"):
        pytest.skip("strace is not here")
    stocked.declare(["beta"])
    log = stocked.folder / "calls"
    strace = ["strace", "-ff", "-ttt", "-qq", "-e", TRACED, "-e", "signal=none"]

    assert stocked.apply(prefix=[*strace, "-o", str(log)]).code == 0

    calls = in_order(log)
    root = stocked.generation
    made = next(at for at, call in enumerate(calls) if makes_below(call, f'"{root}/'))
    flushed, last = [(at, call) for at, call in enumerate(calls) if " syncfs(" in call][-1]
    number = last.partition("syncfs(")[2].partition(")")[0]
    held = [
        at
        for at, call in enumerate(calls[:flushed])
        if f'"{root}", O_RDONLY' in call and call.endswith(f"= {number}")
    ]
    assert held
    assert held[-1] < made


def test_what_is_remembered_for_speed_is_not_flushed(stocked: Host) -> None:
    """Nobody would hear that it was refused, and the kernel tells of a loss once."""
    if not shutil.which("strace"):
        pytest.skip("strace is not here")
    stocked.cache = stocked.folder / "fresh" / "cache"
    stocked.declare(["beta"])
    log = stocked.folder / "calls"
    strace = ["strace", "-ff", "-qq", "-y", "-e", "trace=fsync,fdatasync", "-o", str(log)]

    assert stocked.apply(prefix=strace).code == 0

    calls = "".join(one.read_text() for one in log.parent.glob("calls.*"))
    flushed = set(re.findall(r"sync\(\d+<([^>]*/fresh[^>]*)>", calls))
    marks = f"{stocked.cache}/uv-unflushed"
    assert flushed == {str(stocked.cache), marks}


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_rollback_whose_flush_is_refused_on_a_full_disk_does_not_report_success(
    stocked: Host, turn: int
) -> None:
    """What was not flushed once is not there because a second flush has nothing to do."""
    if not shutil.which("strace"):
        pytest.skip("strace is not here")
    for version in ("1.0", "2.0"):
        stocked.declare([f"beta=={version}"])
        stocked.applied()
    refuse = f"inject=fsync:error=ENOSPC:when={turn}"
    strace = ["strace", "-f", "-qq", "-e", "trace=fsync", "-e", refuse, "-o", "calls"]

    refused = stocked.run("rollback", "converge.toml", "app", prefix=strace)

    assert refused.code == 73, refused.err
    assert stocked.run("rollback", "converge.toml", "app", "--to", "000001").code == 0


def in_order(log: Path) -> list[str]:
    """Return the calls of all threads in the order of their beginning."""
    lines = [line for one in log.parent.glob("calls.*") for line in one.read_text().splitlines()]
    return sorted(lines, key=lambda line: float(line.partition(" ")[0]))


def makes_below(call: str, inside: str) -> bool:
    return inside in call and bool(re.search(r"O_CREAT|mkdir\(|symlink\(", call))
