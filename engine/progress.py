"""What a long run says of itself, on standard error, while it works.

Kinds call `step`; the loop opens a `task` around each resource. Who listens is set
once by the command; with no listener nothing is said.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from engine.redaction import redact
from engine.system import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Reporter:
    """Listens and does nothing; subclasses show what they care for."""

    def start(self) -> None:
        """There is work to do; said once, before any of it."""

    def task_started(self, address: str) -> None:
        """A resource is being worked on."""

    def step(self, address: str, text: str) -> None:
        """It has come to another step, named in a few words."""

    def detail(self, address: str, text: str) -> None:
        """A tool wrote a line of its own."""

    def task_finished(self, address: str) -> None:
        """The work on a resource has ended, one way or the other."""

    def close(self) -> None:
        """The run is over: leave the terminal as it was found."""


_reporter = Reporter()
_address: ContextVar[str] = ContextVar("address", default="")


def set_reporter(reporter: Reporter) -> None:
    """Send all that follows to this reporter."""
    global _reporter  # one terminal, one listener
    _reporter = reporter


def start() -> None:
    """Say that there is work to do."""
    _reporter.start()


@contextmanager
def task(address: str) -> Iterator[None]:
    """Attribute what is said inside to one resource."""
    token = _address.set(address)
    _reporter.task_started(address)
    try:
        yield
    finally:
        _reporter.task_finished(address)
        _address.reset(token)


def step(text: str) -> None:
    """Say what the current resource has come to; a safe point to stop at."""
    signals.raise_if_interrupted()
    _reporter.step(_address.get(), redact(text))


def detail(text: str) -> None:
    """Pass on one line of a tool's output."""
    _reporter.detail(_address.get(), redact(text))


def write_stderr(text: str) -> None:
    """Write to standard error; that nobody reads it changes nothing."""
    from engine.system.encoding import escape

    with suppress(OSError):
        sys.stderr.write(escape(text, sys.stderr.encoding))


def close() -> None:
    """Let the listener leave the terminal as it was found."""
    _reporter.close()
