"""Run child processes: in a minimal environment, with visible output, until a stop request."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import process_limit_error
from engine.frozen import frozen
from engine.redaction import redact
from engine.system import lock, signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, BinaryIO

_NETWORK_VARIABLES = (
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
"""Variables that children inherit. The way to the network is a property of the host."""
PROBE_PREFIX = "converge probe: "
"""Marks the line with the value that a probe prints (`states.interpreter.probe`).

Startup code of an interpreter may print other lines. Progress doesn't show it.
"""
_MAX_OUTPUT = 1 << 20
"""Characters of the output that are kept, from its end."""
_MAX_LINE = 1 << 13
"""Characters of a line that are kept, from its beginning."""
_MAX_REDACTED = 2 * _MAX_LINE
"""Bytes of a line that are searched for secrets. A secret that is cut off isn't recognized, so
this must exceed `_MAX_LINE`."""
SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_POLL_MS = 200
_TERMINATE_TIMEOUT_S = 5


@frozen
class User:
    """The user that a child process runs as, instead of the current one."""

    name: str
    """For messages: the name, or `uid N` if there is none."""
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    """All supplementary groups. The child doesn't keep those of the current user."""


@frozen
class Completed:
    """A child process that has ended.

    Attributes:
        status: The exit status, or the negative number of the signal that killed it.
        output: The end of standard output and standard error in one text, redacted.

    """

    status: int
    output: str

    def last_lines(self, count: int = 20) -> str:
        """Return the end of the output."""
        return "\n".join(self.output.splitlines()[-count:])

    def describe_exit(self) -> str:
        """Return how the process failed, as the end of a sentence."""
        if self.status < 0:
            name = signal.strsignal(-self.status)
            return f"was killed by signal {-self.status}" + (f" ({name})" if name else "")
        return f"failed with status {self.status}"


@frozen
class Inherited:
    """The properties that a child process inherits."""

    locks: bool = True
    """Whether it inherits the locks of the current task. Then it still excludes other runs if
    this process is killed. If False, it may leave a service running, which would otherwise hold
    the locks indefinitely."""
    user: User | None = None
    """The user that it runs as. None for the current one."""
    stdin: BinaryIO | None = None
    """Its standard input. None for an empty one."""


LOCKS = Inherited()
NOTHING = Inherited(locks=False)


def inherited_by(user: User | None) -> Inherited:
    """Return what a child inherits. Another user must not get hold of the locks."""
    return LOCKS if user is None else Inherited(locks=False, user=user)


@contextmanager
def reporting_to(report: Callable[[str], None]) -> Iterator[None]:
    """Send the output of children in this context to a function, line by line."""
    token = _report.set(report)
    try:
        yield
    finally:
        _report.reset(token)


def clean_environment(home: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment that inherits only the proxy and certificate variables.

    Args:
        home: The directory for HOME and TMPDIR.
        extra: Variables to add, which take precedence.

    """
    inherited = {name: os.environ[name] for name in _NETWORK_VARIABLES if name in os.environ}
    fixed = {
        "PATH": SAFE_PATH,
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
    }
    return {**fixed, **inherited, **(extra or {})}


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str,
    timeout: float | None = None,
    inherit: Inherited = LOCKS,
) -> Completed:
    """Run a child process to its end, and report each line of its output as progress.

    Args:
        argv: The program and its arguments.
        env: The whole environment.
        cwd: The working directory.
        timeout: Maximum run time in seconds.
        inherit: The properties that the child inherits.

    Returns:
        The exit status and the output.

    Raises:
        Interrupted: A signal was received. The child and its process group were stopped.
        subprocess.TimeoutExpired: The timeout expired. They were stopped as well.
        InputOutputError: The system doesn't allow another process.
        OSError: The program can't be started.

    """
    try:
        process = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=inherit.stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=lock.inherited_fds() if inherit.locks else (),
            start_new_session=True,
            **_switch_user(inherit.user),
        )
    except BlockingIOError:
        raise process_limit_error() from None
    try:
        output = _read_output(process, timeout)
    except BaseException:
        _stop(process)
        raise
    return Completed(process.wait(), output)


def _switch_user(user: User | None) -> dict[str, Any]:
    """Return the arguments of `Popen` that switch to a user, with none of the caller's groups."""
    if user is None:
        return {}
    return {"user": user.uid, "group": user.gid, "extra_groups": list(user.groups)}


def _read_output(process: subprocess.Popen[bytes], timeout: float | None) -> str:
    """Report the output until the child ends, even if its own children still run.

    Raises:
        Interrupted, subprocess.TimeoutExpired: As for `run`.

    """
    assert process.stdout is not None  # Popen was called with a pipe.
    descriptor = process.stdout.fileno()
    deadline = None if timeout is None else time.monotonic() + timeout
    tail = OutputTail()
    pending = b""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    with process.stdout:
        while True:
            signals.raise_if_interrupted()
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(process.args, timeout or 0)
            has_ended = process.poll() is not None
            is_ready = poll.poll(0 if has_ended else _POLL_MS)
            block = os.read(descriptor, 65536) if is_ready else b""
            *lines, pending = (pending + block).split(b"\n")
            pending = pending[:_MAX_REDACTED]
            tail.add(lines)
            if (is_ready and not block) or (has_ended and not is_ready):
                tail.add([pending])
                return "\n".join(tail.lines)


_report: ContextVar[Callable[[str], None]] = ContextVar("report", default=progress.detail)
"""The function that receives each line of a child's output."""
ADVANCED = b"\x01"
"""A line of the converge scripts that run in a child: a part of the current step is done."""


class OutputTail:
    """The last lines of a child's output. Each line is reported as progress when it is added."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque()
        self.size = 0

    def add(self, lines: list[bytes]) -> None:
        """Add lines, and drop the oldest ones if there are too many."""
        for line in lines:
            if line == ADVANCED:
                progress.advance()
                continue
            text = redact(line[:_MAX_REDACTED].decode("utf-8", "replace"))[:_MAX_LINE].rstrip()
            if text:
                self.lines.append(text)
                self.size += len(text)
                if not text.startswith(PROBE_PREFIX):
                    _report.get()(text)
        while self.size > _MAX_OUTPUT and len(self.lines) > 1:
            self.size -= len(self.lines.popleft())


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the process group of a child, first with SIGTERM, and after five seconds with SIGKILL.

    A process that has ended, or that belongs to another user (`sudo`), is skipped.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_TERMINATE_TIMEOUT_S)
        except (ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
            continue
