"""Subprocesses for tests: one that holds a lock, and a run that pauses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.command import ROOT, Completed, completed
from tests.unit.cli_runner import CliRunner

HOLD = """
import subprocess, sys, os
from engine.system.lock import hold_lock, inherited_fds
with hold_lock(lambda: sys.argv[1], 0):
    if "child" in sys.argv:
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; print('held', flush=True); sys.stdin.read()"],
            pass_fds=inherited_fds(), stdin=0,
        )
        child.wait()
    print("held", flush=True)
    sys.stdin.read()
"""


class LockHolder:
    """Another process that holds a lock until it is released."""

    def __init__(self, path: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path), *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "held\n"

    def release(self) -> None:
        """End the process and its child, which read from the same pipe."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


class PausedRun:
    """A run that pauses while it writes the widget `wait`."""

    def __init__(self, cli: CliRunner, *arguments: str, stderr: int = subprocess.PIPE) -> None:
        self.pipe = cli.directory / "pipe"
        os.mkfifo(self.pipe)
        self.arguments = [*arguments, str(cli.directory / "widgets.toml")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.paused_run", str(self.pipe), *self.arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )

    def interrupt(self, number: signal.Signals, *, ignored: bool = False) -> Completed:
        """Send a signal during the pause, resume the run, and wait for its end."""
        # Opening the pipe blocks until the run opens the other end.
        with open(self.pipe, "w", encoding="utf-8") as pipe:
            self.process.send_signal(number)
            wait_for_delivery(self.process.pid)
            if not ignored:
                pipe.write("signalled")
        return self.wait()

    def wait(self) -> Completed:
        """Wait for the end of the run."""
        out, err = self.process.communicate(timeout=60)
        return completed(self.arguments, self.process.returncode, out, err)


def wait_for_delivery(pid: int) -> None:
    """Wait until a process has no pending signal or no longer exists."""
    while True:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            return
        rows = dict(row.split(":\t", 1) for row in status.splitlines())
        if rows["State"].startswith("Z") or not int(rows["ShdPnd"], 16) | int(rows["SigPnd"], 16):
            return
