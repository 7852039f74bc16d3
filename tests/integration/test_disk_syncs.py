"""converge syncs a generation before it publishes it, and notices lost writes."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.host import Host

TRACED_CALLS = "trace=openat,mkdir,symlink,syncfs"

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")


def test_sync_before_publishing_detects_every_lost_write(
    host_with_wheels: Host,
) -> None:
    """The kernel reports a lost write only to files that were open when it was lost."""
    host_with_wheels.declare(["beta"])
    log = host_with_wheels.directory / "calls"
    strace = ["strace", "-ff", "-ttt", "-qq", "-e", TRACED_CALLS, "-e", "signal=none"]

    assert host_with_wheels.apply(prefix=[*strace, "-o", str(log)]).code == 0

    calls = sorted_calls(log)
    root = host_with_wheels.generation
    created = next(index for index, call in enumerate(calls) if creates_below(call, f'"{root}/'))
    synced, last = [(index, call) for index, call in enumerate(calls) if " syncfs(" in call][-1]
    descriptor = last.partition("syncfs(")[2].partition(")")[0]
    opened = [
        index
        for index, call in enumerate(calls[:synced])
        if f'"{root}", O_RDONLY' in call and call.endswith(f"= {descriptor}")
    ]
    assert opened
    assert opened[-1] < created


def test_caches_are_not_synced(host_with_wheels: Host) -> None:
    """The kernel reports a lost write once. Syncing a cache would consume that report unnoticed."""
    host_with_wheels.cache = host_with_wheels.directory / "fresh" / "cache"
    host_with_wheels.declare(["beta"])
    log = host_with_wheels.directory / "calls"
    strace = ["strace", "-ff", "-qq", "-y", "-e", "trace=fsync,fdatasync", "-o", str(log)]

    assert host_with_wheels.apply(prefix=strace).code == 0

    calls = "".join(file.read_text() for file in log.parent.glob("calls.*"))
    synced = set(re.findall(r"sync\(\d+<([^>]*/fresh[^>]*)>", calls))
    markers = f"{host_with_wheels.cache}/uv-unflushed"
    assert synced == {str(host_with_wheels.cache), markers}


@pytest.mark.parametrize("occurrence", [1, 2, 3])
def test_rollback_with_failed_sync_reports_an_error(
    host_with_wheels: Host, occurrence: int
) -> None:
    """A second sync that succeeds doesn't prove that the first one's data is on disk."""
    for version in ("1.0", "2.0"):
        host_with_wheels.declare([f"beta=={version}"])
        host_with_wheels.apply_ok()
    injection = f"inject=fsync:error=ENOSPC:when={occurrence}"
    strace = ["strace", "-f", "-qq", "-e", "trace=fsync", "-e", injection, "-o", "calls"]

    refused = host_with_wheels.run("rollback", "converge.toml", "app", prefix=strace)

    assert refused.code == 73, refused.err
    assert host_with_wheels.run("rollback", "converge.toml", "app", "--to", "000001").code == 0


def sorted_calls(log: Path) -> list[str]:
    """Return the system calls of all threads, sorted by start time."""
    lines = [line for file in log.parent.glob("calls.*") for line in file.read_text().splitlines()]
    return sorted(lines, key=lambda line: float(line.partition(" ")[0]))


def creates_below(call: str, prefix: str) -> bool:
    """Return whether a system call creates a path that starts with `prefix`."""
    return prefix in call and bool(re.search(r"O_CREAT|mkdir\(|symlink\(", call))
