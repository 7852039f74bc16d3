"""Run a command and ask a callback what to do at each system call that changes or reads files.

The supervisor covers the whole process tree: children, threads, and static binaries. It handles one
call at a time, so the Nth call is the same moment for the whole tree.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import sandbox, seccomp
from .calls import SystemCall, describe, process_of

TIMEOUT_S = 300.0
"""Seconds after which the supervisor kills the command and reports a timeout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Continue:
    """Let the call run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """Fail the call with this error number instead of running it."""

    errno: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Kill every process of the tree before the call runs."""


Action = Continue | Fail | Kill


class SandboxError(Exception):
    """The command couldn't be started."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How a supervised run ended."""

    code: int | None = None
    """Exit code, or the negative number of a signal. None if the tree was killed before."""
    killed: bool = False
    timed_out: bool = False
    calls: list[SystemCall] = field(default_factory=list)
    """Every counted call that ran, in order."""
    stdout: str = ""
    stderr: str = ""
    """The output, unless the command sets descriptors of its own."""


class ProcessTree:
    """The running process tree, as the callback sees it."""

    def __init__(self, listener: int) -> None:
        self.listener = listener
        self.command_pid = 0
        """Process ID of the command itself, not of its children."""
        self.notification: seccomp.Notification | None = None
        """The current call, for a callback that reads its arguments."""

    def is_by_child(self, call: SystemCall) -> bool:
        """Return whether a child process makes this call, rather than the command itself."""
        return process_of(call.pid) != self.command_pid

    def signal_command(self, number: int) -> None:
        """Send a signal to the command, but not to its children."""
        os.kill(self.command_pid, number)


Callback = Callable[[SystemCall, ProcessTree], Action]


def allow_call(_call: SystemCall, _tree: ProcessTree) -> Action:
    """Let every call run."""
    return Continue()


def run(
    command: sandbox.Command,
    *,
    roots: Sequence[Path] | None = None,
    decide: Callback = allow_call,
    writes: bool = False,
    reads: bool = False,
    timeout_s: float = TIMEOUT_S,
) -> Outcome:
    """Run `command` until it ends or until `decide` kills it.

    Args:
        command: The command to run.
        roots: Count only calls on a path at or below one of these. None counts all calls.
        decide: Called before each counted call.
        writes: Whether to also count the calls that write bytes.
        reads: Whether to also count the calls that read files.
        timeout_s: Kill the command after this many seconds.

    Raises:
        SandboxError: The command couldn't be started.
    """
    outputs = [os.memfd_create(name) for name in ("stdout", "stderr")]
    stdout = outputs[0] if command.stdout is None else command.stdout
    stderr = outputs[1] if command.stderr is None else command.stderr
    outer, reports = sandbox.start(
        replace(command, stdout=stdout, stderr=stderr), writes=writes, reads=reads
    )
    session = _Session(reports, decide, None if roots is None else [*map(os.path.realpath, roots)])
    try:
        session.serve(time.monotonic() + timeout_s)
    finally:
        session.end()
        os.waitpid(outer, 0)
        outcome = session.outcome
        outcome.stdout, outcome.stderr = map(_read_all, outputs)
    return outcome


def _read_all(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(descriptor, "rb") as file:
        return file.read().decode(errors="replace")


class _Session:
    def __init__(
        self, reports: socket.socket, decide: Callback, roots: Sequence[str] | None
    ) -> None:
        self.reports = reports
        self.decide = decide
        self.roots = roots
        self.outcome = Outcome()
        self.tree = ProcessTree(-1)
        self.init_pid = 0
        self.poll = select.poll()
        self.poll.register(reports, select.POLLIN)

    def serve(self, deadline: float) -> None:
        """Handle calls until every process in the sandbox has ended and the socket is closed."""
        while True:
            ready = self.poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                self.outcome.timed_out = True
                self.kill()
                return
            for number, events in ready:
                if number == self.tree.listener:
                    self._handle_call(events)
                elif not self._handle_report():
                    return

    def kill(self) -> None:
        """Kill the tree and return without waiting for it. `run` waits."""
        self.outcome.killed = True
        if self.init_pid:
            os.kill(self.init_pid, signal.SIGKILL)

    def end(self) -> None:
        if self.init_pid and self.outcome.code is None and not self.outcome.killed:
            self.kill()
        self.reports.close()
        if self.tree.listener >= 0:
            os.close(self.tree.listener)
            self.tree.listener = -1

    def _handle_report(self) -> bool:
        data, extra, _flags, _address = self.reports.recvmsg(4096, 256)
        if not data:
            return False
        message = json.loads(data)
        if "failed" in message:
            raise SandboxError(message["failed"])
        self.init_pid = message.get("init", self.init_pid)
        if "listener" in message:
            self._receive_listener(extra)
        if "exit" in message and not self.outcome.killed:
            self.outcome.code = message["exit"]
        return True

    def _receive_listener(self, extra: Sequence[tuple[int, int, bytes]]) -> None:
        for _level, kind, content in extra:
            if kind == socket.SCM_RIGHTS:
                self.tree.listener = struct.unpack("i", content)[0]
            elif kind == socket.SCM_CREDENTIALS:
                self.tree.command_pid = struct.unpack("3i", content)[0]
        self.poll.register(self.tree.listener, select.POLLIN)

    def _handle_call(self, events: int) -> None:
        if not events & select.POLLIN:
            self.poll.unregister(self.tree.listener)
            return
        notification = seccomp.receive(self.tree.listener)
        if notification is None or self.outcome.killed:
            return
        call = describe(notification, len(self.outcome.calls), self.roots)
        if call is None or not seccomp.is_pending(self.tree.listener, notification):
            seccomp.respond(self.tree.listener, notification)
            return
        self.tree.notification = notification
        action = self.decide(call, self.tree)
        if isinstance(action, Kill):
            self.kill()
        elif isinstance(action, Fail):
            seccomp.respond(self.tree.listener, notification, error=action.errno)
        else:
            self.outcome.calls.append(call)
            seccomp.respond(self.tree.listener, notification)
