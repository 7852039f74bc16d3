"""Asked to stop, a run ends at the next safe point and says so."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import ROOT, Ended, ended
from tests.unit.desk import Desk
from tests.unit.test_lock import Holder

STOPS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(autouse=True)
def nothing_ignored() -> Iterator[None]:
    """What a shell starts in the background ignores SIGINT, and so would what we start."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in STOPS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Run:
    """A run that holds still in the midst of its first note."""

    def __init__(self, desk: Desk, *words: str, stderr: int = subprocess.PIPE) -> None:
        self.pipe = desk.folder / "pipe"
        os.mkfifo(self.pipe)
        self.words = [*words, str(desk.folder / "notes.toml")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.stopping", str(self.pipe), *self.words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )

    def asked(self, number: signal.Signals, *, ignored: bool = False) -> Ended:
        """Send a signal in its midst, let it go on, and wait for its end."""
        # Opening a pipe waits until the other side has come to it.
        with open(self.pipe, "w", encoding="utf-8") as pipe:
            self.process.send_signal(number)
            _delivered(self.process.pid)
            if not ignored:
                pipe.write("signalled")
        return self.end()

    def end(self) -> Ended:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=60)
        return ended(self.words, self.process.returncode, out, err)


def _delivered(pid: int) -> None:
    """Wait until a process has no signal pending, or is no more."""
    while True:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            return
        rows = dict(row.split(":\t", 1) for row in status.splitlines())
        if rows["State"].startswith("Z") or not int(rows["ShdPnd"], 16) | int(rows["SigPnd"], 16):
            return


@pytest.mark.parametrize("words", [[], ["--detailed-exitcode"]])
@pytest.mark.parametrize("number", STOPS)
def test_signal_ends_the_run_at_the_next_safe_point(
    desk: Desk, number: signal.Signals, words: list[str]
) -> None:
    desk.notes("wait", "after", "last", last='needs = ["note.wait"]')
    done = Run(desk, "apply", "--json", "--jobs", "1", *words).asked(number)
    assert done.code == STOPS[number]
    assert done.report["exit"] == {"code": STOPS[number], "class": "interrupted", "retryable": True}
    assert done.outcomes() == {
        "note.wait": "failed",
        "note.after": "failed",
        "note.last": "skipped",
    }
    assert done.of("note.wait")["error"]["message"].startswith(f"stopped by {number.name}")
    assert [desk.says(name) for name in ("wait", "after", "last")] == [None, None, None]


def test_run_after_an_interruption_completes(desk: Desk) -> None:
    desk.notes("wait", "after")
    Run(desk, "apply", "--jobs", "1").asked(signal.SIGTERM)
    assert desk.run("apply", "--json").outcomes() == {
        "note.wait": "changed",
        "note.after": "changed",
    }
    assert desk.run("apply", "--json").report["changed"] is False


def test_second_signal_ends_the_run_immediately(desk: Desk) -> None:
    desk.notes("wait")
    run = Run(desk, "apply")
    with open(run.pipe, "w", encoding="utf-8"):
        run.process.send_signal(signal.SIGTERM)
        _delivered(run.process.pid)
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(30) == 143
    out, _ = run.process.communicate()
    assert out == b""


def test_second_signal_restores_the_terminal(desk: Desk) -> None:
    desk.notes("wait")
    ours, theirs = pty.openpty()
    run = Run(desk, "apply", stderr=theirs)
    with open(run.pipe, "w", encoding="utf-8"):
        run.process.send_signal(signal.SIGINT)
        _delivered(run.process.pid)
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(30) == 130
    shown = os.read(ours, 100_000)
    os.close(ours)
    os.close(theirs)
    assert shown.rindex(b"\x1b[?25h") > shown.find(b"\x1b[?25l")


def test_signal_ends_a_run_that_waits_for_input(desk: Desk) -> None:
    os.mkfifo(desk.folder / "notes.toml")
    run = Run(desk, "plan")
    with open(desk.folder / "notes.toml", "w", encoding="utf-8"):
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(30) == -signal.SIGTERM


def test_ignored_signal_stays_ignored(desk: Desk) -> None:
    """As `nohup` has it."""
    desk.notes("wait")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run = Run(desk, "apply", "--json")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert run.asked(signal.SIGHUP, ignored=True).outcomes() == {"note.wait": "changed"}


def test_interruption_takes_precedence_over_failures(desk: Desk) -> None:
    desk.notes("broken", "wait")
    (desk.folder / "broken").mkdir()
    # One after the other, so that the first has gone wrong before the signal comes.
    done = Run(desk, "apply", "--json", "--jobs", "1").asked(signal.SIGTERM)
    assert (done.code, done.report["exit"]["class"]) == (143, "interrupted")
    assert "is a directory" in done.of("note.broken")["error"]["message"]


def test_signal_ends_a_wait_for_a_lock(desk: Desk) -> None:
    desk.notes("a")
    held = Holder(desk.folder / "a.lock")
    try:
        run = Run(desk, "apply", "--json", "--lock-timeout", "600")
        assert run.process.stderr is not None
        assert b"waiting for the lock" in run.process.stderr.readline()
        run.process.send_signal(signal.SIGTERM)
        assert run.end().code == 143
    finally:
        held.let_go()


def test_interrupted_run_reports_failure_in_json(desk: Desk) -> None:
    desk.notes("wait")
    done = Run(desk, "apply", "--json").asked(signal.SIGINT)
    assert json.loads(done.out)["failed"] is True
