"""Child processes: an environment made from nothing, output passed on, stopped when asked."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections import deque

from engine import progress
from engine.errors import process_limit_error
from engine.frozen import frozen
from engine.redaction import redact
from engine.system import lock, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PASSED = (
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
"""How the network is reached is a fact of the host, not a choice of the declaration."""
_KEPT = 1 << 20
"""So many characters of a child's output are kept: the last ones."""
_LONGEST = 1 << 13
"""In characters: of a longer line only the beginning is kept."""
_SEEN = 2 * _LONGEST
"""In bytes: so much of a line is searched for passwords, since half of one is not known for one."""
_SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@frozen
class Completed:
    """How a child ended; `output` is the end of standard output and error together, redacted."""

    status: int
    output: str

    def last_lines(self, count: int = 20) -> str:
        """Return the end of the output."""
        return "\n".join(self.output.splitlines()[-count:])

    def describe_exit(self) -> str:
        """Return how it failed, for people; a signal is below zero, as `subprocess` has it."""
        if self.status < 0:
            named = signal.strsignal(-self.status)
            return f"was ended by signal {-self.status}" + (f" ({named})" if named else "")
        return f"failed with status {self.status}"


def clean_environment(home: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment that owes nothing to ours but how the network is reached."""
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    plain = {
        "PATH": _SAFE_PATH,
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
    }
    return {**plain, **passed, **(extra or {})}


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str,
    timeout: float | None = None,
    locks: bool = True,
) -> Completed:
    """Run a child to its end; each of its lines is told as progress.

    It inherits the locks that we hold, so that it excludes others even should we be killed;
    not so one that may leave a service running, which would hold them for ever.
    Raises `Interrupted` if we are asked to stop, after ending the child and its own children.
    """
    try:
        process = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=lock.inherited_fds() if locks else (),
            start_new_session=True,
        )
    except BlockingIOError:
        raise process_limit_error() from None
    try:
        output = _listen(process, timeout)
    except BaseException:
        _end(process)
        raise
    return Completed(process.wait(), output)


def _listen(process: subprocess.Popen[bytes], timeout: float | None) -> str:
    """Pass lines on until the child has ended, though what it started may live on."""
    assert process.stdout is not None  # it was asked for
    descriptor = process.stdout.fileno()
    deadline = None if timeout is None else time.monotonic() + timeout
    told = OutputTail()
    pending = b""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    with process.stdout:
        while True:
            signals.raise_if_interrupted()
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(process.args, timeout or 0)
            ended = process.poll() is not None
            ready = poll.poll(0 if ended else 200)
            block = os.read(descriptor, 65536) if ready else b""
            *lines, pending = (pending + block).split(b"\n")
            pending = pending[:_SEEN]
            told.add(lines)
            if (ready and not block) or (ended and not ready):
                told.add([pending])
                return "\n".join(told.lines)


class OutputTail:
    """The last lines of a child's output; each is told as progress when it is added."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque()
        self.size = 0

    def add(self, lines: list[bytes]) -> None:
        """Take lines up, and forget the first ones where that makes too many."""
        for line in lines:
            text = redact(line[:_SEEN].decode("utf-8", "replace"))[:_LONGEST].rstrip()
            if text:
                self.lines.append(text)
                self.size += len(text)
                progress.detail(text)
        while self.size > _KEPT and len(self.lines) > 1:
            self.size -= len(self.lines.popleft())


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(5)
        except (ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
            continue  # it has gone, or is another user's (`sudo`), or needs a stronger word
