"""The supervisor sees every change, once, in order, and can end or refuse it."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from .cage import Command
from .calls import Call
from .faults import Fault
from .supervisor import Answer, CageFailed, Fail, Go, Tree, run

pytestmark = pytest.mark.usefixtures("caged")


def shell(home: Path, text: str, **options: object) -> Command:
    return Command(argv=["sh", "-c", text], writable=[home], cwd=home, **options)  # type: ignore[arg-type]


def test_a_run_that_changes_nothing_has_no_calls(workspace: Path) -> None:
    outcome = run(shell(workspace, "cat /etc/passwd; ls /"), roots=[workspace], writes=True)
    assert (outcome.code, outcome.calls) == (0, [])


def test_changes_of_children_and_grandchildren_are_seen_in_order(workspace: Path) -> None:
    text = "mkdir a; sh -c 'touch a/b; mv a/b a/c'; ln -s c a/d; rm a/d"
    outcome = run(shell(workspace, text), roots=[workspace])
    changed = [call for call in outcome.calls if call.effect == "change"]
    assert [Path(call.paths[-1]).name for call in changed if "utime" not in call.name] == [
        *("a", "b", "c", "d", "d")
    ]


def test_changes_by_threads_are_seen(workspace: Path) -> None:
    text = (
        "import os, threading\n"
        "ts = [threading.Thread(target=os.mkdir, args=(f't{n}',)) for n in range(8)]\n"
        "[t.start() for t in ts]; [t.join() for t in ts]"
    )
    command = Command(argv=[sys.executable, "-S", "-c", text], writable=[workspace], cwd=workspace)
    outcome = run(command, roots=[workspace])
    assert sorted(Path(c.paths[0]).name for c in outcome.calls) == [f"t{n}" for n in range(8)]


def test_a_kill_at_the_nth_call_leaves_exactly_the_calls_before(workspace: Path) -> None:
    for point in range(4):
        fault = Fault(kind="kill", at=point)
        folder = workspace / str(point)
        folder.mkdir()
        outcome = run(shell(folder, "mkdir 0; mkdir 1; mkdir 2; mkdir 3"), decide=fault)
        assert outcome.killed and outcome.code is None
        assert sorted(os.listdir(folder)) == [str(n) for n in range(point)]


def test_a_kill_ends_children_that_run_beside(workspace: Path) -> None:
    fault = Fault(kind="kill", at=0)
    text = "(while :; do sleep 0.01; echo x >> late; done) & mkdir now"
    run(shell(workspace, text), roots=[workspace / "now"], decide=fault)
    before = (workspace / "late").stat().st_size if (workspace / "late").exists() else 0
    run(shell(workspace, "sleep 0.1"))
    after = (workspace / "late").stat().st_size if (workspace / "late").exists() else 0
    assert before == after


def test_a_refused_call_fails_with_the_error_and_changes_nothing(workspace: Path) -> None:
    def decide(call: Call, _tree: Tree) -> Answer:
        return Fail(errno=errno.ENOSPC) if call.name.startswith("mkdir") else Go()

    with (workspace / "told").open("wb") as told:
        command = shell(
            workspace, "mkdir a", stderr=told.fileno(), env={**os.environ, "LC_ALL": "C"}
        )
        outcome = run(command, roots=[workspace / "a"], decide=decide)
    assert outcome.code == 1
    assert "No space left" in (workspace / "told").read_text()
    assert not (workspace / "a").exists()


def test_a_torn_write_leaves_half_of_it(workspace: Path) -> None:
    fault = Fault(kind="torn", at=0)
    run(shell(workspace, "printf 12345678 > a"), roots=[workspace], decide=fault, writes=True)
    assert (workspace / "a").read_text() == "1234"


def test_a_torn_write_of_a_thread_leaves_half_of_it_too(workspace: Path) -> None:
    text = "import threading; open('a', 'wb', 0).close()\n"
    text += "t = threading.Thread(target=lambda: open('a', 'wb', 0).write(b'12345678'))\n"
    command = Command(
        argv=[sys.executable, "-S", "-c", text + "t.start(); t.join()"],
        writable=[workspace],
        cwd=workspace,
    )
    run(command, roots=[workspace], decide=Fault(kind="torn", at=0), writes=True)
    assert (workspace / "a").read_bytes() == b"1234"


def test_a_signal_reaches_the_command_at_its_call(workspace: Path) -> None:
    fault = Fault(kind="SIGTERM", at=0)
    outcome = run(shell(workspace, "mkdir a; mkdir b"), roots=[workspace], decide=fault)
    assert outcome.code == -15
    assert not (workspace / "b").exists()


def test_nothing_outside_the_named_folders_can_be_written(workspace: Path) -> None:
    (workspace / "in").mkdir()
    outcome = run(shell(workspace / "in", f"touch here; touch {workspace}/out"))
    assert outcome.code == 1
    assert sorted(os.listdir(workspace)) == ["in"]
    assert os.listdir(workspace / "in") == ["here"]


def test_opening_what_exists_is_told_from_writing_it(workspace: Path) -> None:
    (workspace / "lock").touch()
    outcome = run(shell(workspace, "exec 9<>lock; mkdir -p ."), roots=[workspace], writes=True)
    assert {call.effect for call in outcome.calls} == {"touch"}


def test_an_orphan_may_run_to_its_end_when_told_to(workspace: Path) -> None:
    text = "(sleep 0.05; mkdir late) & exit 3"
    assert run(shell(workspace, text, linger=True)).code == 3
    assert (workspace / "late").exists()


def test_a_command_that_is_not_there_is_an_error(workspace: Path) -> None:
    with pytest.raises(CageFailed, match="no-such-command"):
        run(Command(argv=["no-such-command"], writable=[workspace]))


def test_a_command_that_hangs_is_ended(workspace: Path) -> None:
    outcome = run(shell(workspace, "sleep 1000"), limit=0.2)
    assert outcome.timed_out and outcome.killed
