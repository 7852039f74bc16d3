"""Large venvs are compared in several processes, with the same result as in one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.system.linux import cpu_count
from tests.integration.host import Host
from tests.integration.test_observe import CHANGES
from tests.support.wheels import make_wheel

FILES = 1800
"""Number of files. Their names are long, because the size of the stat cache decides."""
pytestmark = pytest.mark.skipif(cpu_count() < 2, reason="one CPU: nothing is divided")


@pytest.fixture
def large_host(module_host: Host) -> Host:
    """Return the host of the module with an applied venv of thousands of files; repair it."""
    if not list(module_host.wheels.glob("large*")):
        files = {f"large/{number:04}{'x' * 230}.txt": "x\n" for number in range(FILES)}
        make_wheel(module_host.wheels, "large", "1.0", files=files)
    module_host.declare(["large"])
    if module_host.check().code:
        module_host.apply_ok()
    return module_host


def trace(
    host: Host,
    calls: str,
    prefix: Sequence[str] = (),
    options: Sequence[str] = (),
    verb: str = "apply",
) -> str:
    """Run a no-op under strace and return its log."""
    if not shutil.which("strace"):
        pytest.skip("strace isn't installed")
    log = host.directory / "calls"
    strace = [*prefix, "strace", "-f", "-qq", *options, "-e", f"trace={calls}", "-o", str(log)]
    done = host.run(verb, "converge.toml", "--json", prefix=strace)
    assert done.code == 0, done.err
    assert not done.report["changed"]
    return log.read_text()


def stat_counts(log: str, host: Host) -> Counter[str]:
    """Return how often each file of the package was examined."""
    names = re.findall(r'(?:stat|fstatat|statx)\w*\([^"]*"(large/\w+\.txt)"', log)
    assert {*names} == {f"large/{path.name}" for path in (host.site / "large").glob("*.txt")}
    return Counter(names)


@pytest.mark.parametrize("verb", ["apply", "plan", "check"])
def test_each_file_is_compared_once_by_one_of_two_processes(large_host: Host, verb: str) -> None:
    log = trace(large_host, "%file,clone,clone3,fork,vfork", verb=verb)

    counts = stat_counts(log, large_host)

    assert len(counts) == FILES
    assert set(counts.values()) == {1}
    assert len({line.split()[0] for line in log.splitlines()}) == min(cpu_count(), 8)


def test_large_no_op_starts_no_program_and_writes_nothing(large_host: Host) -> None:
    (only,) = trace(large_host, CHANGES, options=["-e", "signal=none"]).splitlines()
    assert "execve(" in only


def test_one_cpu_is_used_without_a_fork(large_host: Host) -> None:
    cpu = str(min(os.sched_getaffinity(0)))
    log = trace(large_host, "%file,clone,clone3,fork,vfork", prefix=["taskset", "-c", cpu])
    assert set(stat_counts(log, large_host).values()) == {1}
    assert len({line.split()[0] for line in log.splitlines()}) == 1


@pytest.mark.parametrize("fault", ["clone,clone3,fork:error=EAGAIN", "pipe,pipe2:error=EMFILE"])
def test_missing_process_or_descriptor_changes_no_result(large_host: Host, fault: str) -> None:
    calls = "%file,clone,clone3,fork,pipe,pipe2"
    log = trace(large_host, calls, options=["-e", f"inject={fault}"])
    assert "INJECTED" in log
    assert set(stat_counts(log, large_host).values()) == {1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_to_all_processes_ends_the_run(large_host: Host, number: signal.Signals) -> None:
    """As Ctrl+C does. The run may also be complete before the signal arrives."""
    with subprocess.Popen(
        large_host.argv("apply", "converge.toml"), cwd=large_host.directory,
        env=large_host.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    ) as process:  # fmt: skip
        wait_for_child(process.pid)
        os.killpg(process.pid, number)
        _, errors = process.communicate()
    assert process.returncode in (0, 128 + number), errors
    assert "Traceback" not in errors
    large_host.assert_no_changes()


def wait_for_child(pid: int) -> None:
    """Wait until a process has a child, or has ended."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    status = Path(f"/proc/{pid}/stat")
    while not children.read_text() and ") Z " not in status.read_text():
        pass


def test_killed_children_change_no_result(large_host: Host) -> None:
    """Each child is killed as soon as it exists."""
    with subprocess.Popen(
        large_host.argv("apply", "converge.toml", "--json"), cwd=large_host.directory,
        env=large_host.environment(), stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        wait_for_child(process.pid)
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        output, _ = process.communicate()
    assert process.returncode == 0
    assert '"changed": false' in output


def test_closed_streams_change_no_result(large_host: Host) -> None:
    """The descriptors 0 to 2 are free, so the pipes might get their numbers."""
    shell = ["sh", "-c", '"$@" <&- >&- 2>&-', "sh"]
    assert large_host.run("check", "converge.toml", prefix=shell).code == 0
