"""The supervisor sees every change once and in order, and can fail a call or kill the tree."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from .calls import SystemCall
from .faults import Fault
from .sandbox import Command
from .supervisor import Action, Continue, Fail, ProcessTree, SandboxError, run

pytestmark = pytest.mark.usefixtures("needs_sandbox")


def shell(home: Path, script: str, **options: object) -> Command:
    return Command(argv=["sh", "-c", script], writable=[home], cwd=home, **options)  # type: ignore[arg-type]


def python(home: Path, script: str) -> Command:
    return Command(argv=[sys.executable, "-S", "-c", script], writable=[home], cwd=home)


def test_run_without_changes_has_no_calls(workspace: Path) -> None:
    outcome = run(shell(workspace, "cat /etc/passwd; ls /"), roots=[workspace], writes=True)
    assert (outcome.code, outcome.calls) == (0, [])


def test_supervisor_sees_changes_of_descendants_in_order(workspace: Path) -> None:
    script = "mkdir a; sh -c 'touch a/b; mv a/b a/c'; ln -s c a/d; rm a/d"
    outcome = run(shell(workspace, script), roots=[workspace])
    changes = [call for call in outcome.calls if call.effect == "change"]
    assert [Path(call.paths[-1]).name for call in changes if "utime" not in call.name] == [
        *("a", "b", "c", "d", "d")
    ]


def test_supervisor_sees_changes_of_threads(workspace: Path) -> None:
    script = (
        "import os, threading\n"
        "ts = [threading.Thread(target=os.mkdir, args=(f't{n}',)) for n in range(8)]\n"
        "[t.start() for t in ts]; [t.join() for t in ts]"
    )
    outcome = run(python(workspace, script), roots=[workspace])
    names = sorted(Path(call.paths[0]).name for call in outcome.calls)
    assert names == [f"t{n}" for n in range(8)]


def test_kill_at_nth_call_leaves_exactly_the_calls_before_it(workspace: Path) -> None:
    for point in range(4):
        fault = Fault(kind="kill", at=point)
        directory = workspace / str(point)
        directory.mkdir()
        outcome = run(shell(directory, "mkdir 0; mkdir 1; mkdir 2; mkdir 3"), decide=fault)
        assert outcome.killed and outcome.code is None
        assert sorted(os.listdir(directory)) == [str(n) for n in range(point)]


def test_kill_ends_background_children(workspace: Path) -> None:
    fault = Fault(kind="kill", at=0)
    log = workspace / "log"
    script = "(while :; do sleep 0.01; echo x >> log; done) & mkdir now"
    run(shell(workspace, script), roots=[workspace / "now"], decide=fault)
    before = log.stat().st_size if log.exists() else 0
    run(shell(workspace, "sleep 0.1"))
    after = log.stat().st_size if log.exists() else 0
    assert before == after


def test_failed_call_returns_the_errno_and_changes_nothing(workspace: Path) -> None:
    def decide(call: SystemCall, _tree: ProcessTree) -> Action:
        return Fail(errno=errno.ENOSPC) if call.name.startswith("mkdir") else Continue()

    with (workspace / "stderr").open("wb") as stderr:
        command = shell(
            workspace, "mkdir a", stderr=stderr.fileno(), env={**os.environ, "LC_ALL": "C"}
        )
        outcome = run(command, roots=[workspace / "a"], decide=decide)
    assert outcome.code == 1
    assert "No space left" in (workspace / "stderr").read_text()
    assert not (workspace / "a").exists()


def test_torn_write_writes_half_of_the_data(workspace: Path) -> None:
    fault = Fault(kind="torn", at=0)
    run(shell(workspace, "printf 12345678 > a"), roots=[workspace], decide=fault, writes=True)
    assert (workspace / "a").read_text() == "1234"


def test_torn_write_of_a_thread_writes_half_of_the_data(workspace: Path) -> None:
    script = (
        "import threading; open('a', 'wb', 0).close()\n"
        "t = threading.Thread(target=lambda: open('a', 'wb', 0).write(b'12345678'))\n"
        "t.start(); t.join()"
    )
    fault = Fault(kind="torn", at=0)
    run(python(workspace, script), roots=[workspace], decide=fault, writes=True)
    assert (workspace / "a").read_bytes() == b"1234"


def test_signal_interrupts_the_command_at_the_call(workspace: Path) -> None:
    fault = Fault(kind="SIGTERM", at=0)
    outcome = run(shell(workspace, "mkdir a; mkdir b"), roots=[workspace], decide=fault)
    assert outcome.code == -15
    assert not (workspace / "b").exists()


def test_sandbox_is_read_only_outside_the_writable_directories(workspace: Path) -> None:
    (workspace / "in").mkdir()
    outcome = run(shell(workspace / "in", f"touch here; touch {workspace}/out"))
    assert outcome.code == 1
    assert sorted(os.listdir(workspace)) == ["in"]
    assert os.listdir(workspace / "in") == ["here"]


def test_opening_an_existing_file_is_a_noop(workspace: Path) -> None:
    (workspace / "lock").touch()
    outcome = run(shell(workspace, "exec 9<>lock; mkdir -p ."), roots=[workspace], writes=True)
    assert {call.effect for call in outcome.calls} == {"noop"}


def test_sandbox_can_wait_for_orphans(workspace: Path) -> None:
    script = "(sleep 0.05; mkdir late) & exit 3"
    assert run(shell(workspace, script, wait_for_orphans=True)).code == 3
    assert (workspace / "late").exists()


def test_missing_command_raises_sandbox_error(workspace: Path) -> None:
    with pytest.raises(SandboxError, match="no-such-command"):
        run(Command(argv=["no-such-command"], writable=[workspace]))


def test_timeout_kills_the_command(workspace: Path) -> None:
    outcome = run(shell(workspace, "sleep 1000"), timeout_s=0.2)
    assert outcome.timed_out and outcome.killed
