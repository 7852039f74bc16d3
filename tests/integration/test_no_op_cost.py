"""The cost of a run that changes nothing, counted in system calls and function calls.

Counts don't depend on the clock or on other processes, so they can have a limit. A run that exceeds
it does something new: find out what, and then change the code or the limit.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from states.venv.integrity.manifest import load_manifest
from states.venv.integrity.receipt import read_receipt
from tests.integration.host import Host

MAX_SYSTEM_CALLS = 1_900
"""System calls in addition to those of an empty program, and to one for each entry."""
MAX_FUNCTION_CALLS = 43_000
"""Calls of Python and C functions, from the first import to the exit."""

COUNT_FUNCTION_CALLS = """\
import sys
count = 0
def profile(frame, event, argument):
    global count
    count += event in ("call", "c_call")
sys.setprofile(profile)
try:
    from states.__main__ import main
    sys.exit(main())
finally:
    sys.setprofile(None)
    print(count, file=sys.stderr)
"""


def entries(host: Host) -> int:
    """Return how many entries the live generation has."""
    receipt = read_receipt(str(host.generation))
    assert receipt is not None
    manifest = load_manifest(str(host.generation), receipt.manifest)
    assert manifest is not None
    return len(manifest)


def system_calls(host: Host, *argv: str) -> int:
    """Return the number of system calls of a program and its children."""
    log = host.directory / "calls"
    subprocess.run(
        ["strace", "-f", "-qq", "-e", "signal=none", "-o", log, *argv],
        cwd=host.directory,
        env=host.environment(),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return len(re.findall(r"^\d+ +\w+\(", log.read_text(errors="replace"), re.MULTILINE))


@pytest.mark.skipif(not shutil.which("strace"), reason="strace isn't installed")
def test_no_op_makes_few_system_calls(applied_host: Host) -> None:
    empty = system_calls(applied_host, sys.executable, "-c", "pass")
    run = system_calls(applied_host, *applied_host.argv("apply", "converge.toml"))
    assert run - empty - entries(applied_host) <= MAX_SYSTEM_CALLS


def test_no_op_makes_few_function_calls(applied_host: Host) -> None:
    applied_host.assert_no_changes()
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FUNCTION_CALLS, "apply", "converge.toml"],
        cwd=applied_host.directory,
        env=applied_host.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.split()[-1]) <= MAX_FUNCTION_CALLS
