"""Work that is divided among forked processes is complete even if a process fails."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.system.forks import divide

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60


@pytest.mark.parametrize("processes", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 3, 5000])
def test_results_are_complete_and_in_order(count: int, processes: int) -> None:
    assert divide(lambda number: number * 2, count, processes) == [*range(0, 2 * count, 2)]


def test_two_processes_work_at_the_same_time() -> None:
    """Each call waits for the other one, so one process alone would never end."""
    pipes = [os.pipe(), os.pipe()]

    def meet(number: int) -> int:
        os.write(pipes[number][1], b"here")
        assert select.select([pipes[1 - number][0]], [], [], TIMEOUT_S)[0]
        return os.getpid()

    processes = divide(meet, 2, 2)

    assert len({*processes}) == 2
    assert os.getpid() in processes


def fail_in_child(failure: str) -> list[int]:
    """Divide work so that a child takes at least one number, and fails in this way."""
    parent = os.getpid()
    taken_read, taken_write = os.pipe()

    def call(number: int) -> int:
        if os.getpid() == parent:
            # Wait until the child has taken a number, and has failed.
            assert select.select([taken_read], [], [], TIMEOUT_S)[0]
            return number
        os.write(taken_write, b"taken")
        if failure == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if failure == "interrupted":
            raise KeyboardInterrupt
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    return divide(call, 10, 2)


@pytest.mark.parametrize("failure", ["killed", "interrupted", "failed"])
def test_failure_of_a_child_loses_no_result(failure: str) -> None:
    assert fail_in_child(failure) == [*range(10)]


@pytest.mark.parametrize("call", ["fork", "pipe"])
def test_missing_resources_use_fewer_processes(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.listdir("/proc/self/fd")

    def refuse() -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, call, refuse)

    assert divide(lambda number: number, 10, 4) == [*range(10)]
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_child_that_the_kernel_reaps_is_accepted() -> None:
    """A parent such as a daemon may ignore SIGCHLD. The kernel then reaps each child."""
    previous = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert divide(lambda number: number, 100, 3) == [*range(100)]
    finally:
        signal.signal(signal.SIGCHLD, previous)


def test_error_of_this_process_ends_the_children() -> None:
    parent = os.getpid()
    started_read, started_write = os.pipe()

    def call(_number: int) -> int:
        if os.getpid() == parent:
            assert select.select([started_read], [], [], TIMEOUT_S)[0]
            raise RuntimeError
        os.write(started_write, b"%d" % os.getpid())
        signal.pause()
        return 0

    with pytest.raises(RuntimeError):
        divide(call, 2, 2)

    with pytest.raises(ProcessLookupError):
        os.kill(int(os.read(started_read, 20)), 0)


def test_child_runs_no_exit_handler_and_flushes_no_buffer() -> None:
    program = (
        "import atexit, os\n"
        "from engine.system.forks import divide\n"
        "atexit.register(print, 'exit')\n"
        "print('buffered')\n"
        "assert divide(lambda number: number, 50, 3) == [*range(50)]\n"
    )
    output = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True)
    assert output.split() == ["buffered", "exit"]


def test_child_ends_soon_after_a_killed_parent() -> None:
    """The child ends after its current call, although more numbers are left."""
    program = (
        "import os, signal, sys\n"
        "from engine.system.forks import divide\n"
        "parent = os.getpid()\n"
        "def call(number):\n"
        "    if os.getpid() == parent:\n"
        "        signal.pause()\n"
        "    os.write(1, b'%d ' % os.getpid())\n"
        "    os.read(0, 1)\n"
        "divide(call, 1000, 2)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        child = os.pidfd_open(int(os.read(process.stdout.fileno(), 20)))
        process.kill()
        process.wait()
        os.write(process.stdin.fileno(), b"go")

        assert select.select([child], [], [], TIMEOUT_S)[0], "the child still runs"
        assert process.stdout.read() == b""
        os.close(child)
