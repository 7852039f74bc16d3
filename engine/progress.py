"""Progress of a run, shown on standard error while it works.

The loop opens a `task` for each resource, and kinds report its steps. The command sets the
reporter once. Until then, nothing is shown. The reporter is a global variable since a process
has one terminal.
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
    """Receives progress and shows nothing. Subclasses override the methods that they need.

    The methods are called from several threads.
    """

    def start(self, total: int = 0) -> None:
        """Begin the output. Called before the first task of each part, and not by a no-op run.

        Args:
            total: The number of tasks that follow, or 0 if it isn't known.

        """

    def task_started(self, address: str) -> None:
        """Show that work on a resource has begun."""

    def step(self, address: str, text: str) -> None:
        """Show the next step of a resource."""

    def detail(self, address: str, text: str) -> None:
        """Show one line of a tool's output."""

    def measure(self, address: str, label: str, total: int, unit: str) -> None:
        """Prepare to show how far the current step is.

        Args:
            address: The address of the resource.
            label: A word for the step, such as `compiling`.
            total: The amount of the whole step.
            unit: A plural noun, or `bytes`.

        """

    def advance(self, address: str, amount: int) -> None:
        """Show that the current step has done a part of its work."""

    def task_finished(self, address: str, *, failed: bool = False) -> None:
        """Show that work on a resource has ended, with or without an error."""

    def close(self) -> None:
        """Restore the terminal at the end of the run."""


_reporter = Reporter()
_address: ContextVar[str] = ContextVar("address", default="")
"""The resource of the current task."""


def set_reporter(reporter: Reporter) -> None:
    """Send progress to this reporter from now on."""
    global _reporter
    _reporter = reporter


def start(total: int = 0) -> None:
    """Begin the output. If `total` tasks follow, their number is shown."""
    _reporter.start(total)


@contextmanager
def task(address: str) -> Iterator[None]:
    """Attribute the progress inside this context to a resource."""
    token = _address.set(address)
    _reporter.task_started(address)
    failed = False
    try:
        yield
    except BaseException:
        failed = True
        raise
    finally:
        _reporter.task_finished(address, failed=failed)
        _address.reset(token)


def step(text: str) -> None:
    """Report the next step of the current resource. This is a safe point.

    Raises:
        Interrupted: A signal was received.

    """
    signals.raise_if_interrupted()
    _reporter.step(_address.get(), redact(text))


def detail(text: str) -> None:
    """Report one line of a tool's output."""
    _reporter.detail(_address.get(), redact(text))


def measure(label: str, total: int, unit: str) -> None:
    """State the size of the current step, after `step`. Only a live display shows it.

    Args:
        label: A word for the step, such as `compiling`.
        total: The amount of the whole step.
        unit: A plural noun, or `bytes`.

    """
    _reporter.measure(_address.get(), label, total, unit)


def advance(amount: int = 1) -> None:
    """Report that the current step has done a part of its work. Cheap enough for a loop."""
    _reporter.advance(_address.get(), amount)


def write_stderr(text: str) -> None:
    """Write to standard error, and ignore that it is closed."""
    from engine.system.encoding import escape

    with suppress(OSError):
        sys.stderr.write(escape(text, sys.stderr))
        sys.stderr.flush()


def close() -> None:
    """Restore the terminal."""
    _reporter.close()
