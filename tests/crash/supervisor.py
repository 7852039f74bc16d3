"""Runs a command and asks a decision of its caller at every system call that changes files.

The whole process tree is covered: children, threads, static binaries. Calls are decided one at a
time and in one order, so the N-th is the same moment for all of them.
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

from . import cage, seccomp
from .calls import Call, describe, leader

ANSWER_LIMIT = 300.0
"""Seconds after which a command that still runs is killed and reported as timed out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Let the call run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """Return this error number to the caller instead of running the call."""

    errno: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """End every process of the tree before the call runs."""


Answer = Go | Fail | Kill


class CageFailed(Exception):
    """The command could not be started at all."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How a supervised run ended."""

    code: int | None = None
    """Exit status, negative for a signal; None if the tree was killed first."""
    killed: bool = False
    timed_out: bool = False
    calls: list[Call] = field(default_factory=list)
    """Every counted call that was allowed to run, in order."""
    stdout: str = ""
    stderr: str = ""
    """What was printed, where the command names no descriptors of its own."""


class Tree:
    """The running process tree, as a decision sees it."""

    def __init__(self, listener: int) -> None:
        self.listener = listener
        self.main = 0
        """Pid of the command itself; its children have others."""
        self.notice: seccomp.Notice | None = None
        """The call being decided, for decisions that read its arguments."""

    def by_child(self, call: Call) -> bool:
        """Whether another process than the command itself makes this call."""
        return leader(call.pid) != self.main

    def signal_main(self, number: int) -> None:
        """Send a signal to the command alone; its children run on."""
        os.kill(self.main, number)


Decision = Callable[[Call, Tree], Answer]


def go_on(_call: Call, _tree: Tree) -> Answer:
    """The decision that only lets the log be kept."""
    return Go()


def run(
    command: cage.Command,
    *,
    roots: Sequence[Path] | None = None,
    decide: Decision = go_on,
    writes: bool = False,
    limit: float = ANSWER_LIMIT,
) -> Outcome:
    """Run ``command`` to its end, or to the end that ``decide`` gives it.

    Only calls on a path at or below one of ``roots`` are counted and decided (None: all).
    ``writes`` adds the calls that write bytes. Raises CageFailed.
    """
    printed = [os.memfd_create(name) for name in ("stdout", "stderr")]
    stdout = printed[0] if command.stdout is None else command.stdout
    stderr = printed[1] if command.stderr is None else command.stderr
    outer, reports = cage.start(replace(command, stdout=stdout, stderr=stderr), writes=writes)
    session = _Session(reports, decide, None if roots is None else [*map(os.path.realpath, roots)])
    try:
        session.serve(time.monotonic() + limit)
    finally:
        session.end()
        os.waitpid(outer, 0)
        outcome = session.outcome
        outcome.stdout, outcome.stderr = map(_text, printed)
    return outcome


def _text(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(descriptor, "rb") as file:
        return file.read().decode(errors="replace")


class _Session:
    def __init__(
        self, reports: socket.socket, decide: Decision, roots: Sequence[str] | None
    ) -> None:
        self.reports = reports
        self.decide = decide
        self.roots = roots
        self.outcome = Outcome()
        self.tree = Tree(-1)
        self.first = 0
        self.poll = select.poll()
        self.poll.register(reports, select.POLLIN)

    def serve(self, deadline: float) -> None:
        """Until the cage is empty: every process of it has ended and closed the socket."""
        while True:
            ready = self.poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                self.outcome.timed_out = True
                self.kill()
                return
            for number, events in ready:
                if number == self.tree.listener:
                    self._call(events)
                elif not self._report():
                    return

    def kill(self) -> None:
        """End the tree; returns when the kernel has begun to, ``end`` waits for the rest."""
        self.outcome.killed = True
        if self.first:
            os.kill(self.first, signal.SIGKILL)

    def end(self) -> None:
        if self.first and self.outcome.code is None and not self.outcome.killed:
            self.kill()
        self.reports.close()
        if self.tree.listener >= 0:
            os.close(self.tree.listener)
            self.tree.listener = -1

    def _report(self) -> bool:
        data, extra, _flags, _address = self.reports.recvmsg(4096, 256)
        if not data:
            return False
        message = json.loads(data)
        if "failed" in message:
            raise CageFailed(message["failed"])
        self.first = message.get("first", self.first)
        if "listener" in message:
            self._greet(extra)
        if "exit" in message and not self.outcome.killed:
            self.outcome.code = message["exit"]
        return True

    def _greet(self, extra: Sequence[tuple[int, int, bytes]]) -> None:
        for _level, kind, content in extra:
            if kind == socket.SCM_RIGHTS:
                self.tree.listener = struct.unpack("i", content)[0]
            elif kind == socket.SCM_CREDENTIALS:
                self.tree.main = struct.unpack("3i", content)[0]
        self.poll.register(self.tree.listener, select.POLLIN)

    def _call(self, events: int) -> None:
        if not events & select.POLLIN:
            self.poll.unregister(self.tree.listener)
            return
        notice = seccomp.receive(self.tree.listener)
        if notice is None or self.outcome.killed:
            return
        call = describe(notice, len(self.outcome.calls), self.roots)
        if call is None or not seccomp.still_stopped(self.tree.listener, notice):
            seccomp.answer(self.tree.listener, notice)
            return
        self.tree.notice = notice
        verdict = self.decide(call, self.tree)
        if isinstance(verdict, Kill):
            self.kill()
        elif isinstance(verdict, Fail):
            seccomp.answer(self.tree.listener, notice, error=verdict.errno)
        else:
            self.outcome.calls.append(call)
            seccomp.answer(self.tree.listener, notice)
