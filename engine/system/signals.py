"""Stop requests: SIGINT, SIGTERM, and SIGHUP end the run at the next safe point.

A second signal ends the process immediately. That is safe too: every change takes effect with
one rename, and the next run deletes unfinished files.

The request is a global variable since a process has one disposition per signal.
"""

from __future__ import annotations

import os
import signal

from engine.errors import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_SHOW_CURSOR = b"\x1b[?25h"
"""Progress output hides the cursor (private mode 25 of ECMA-48, as in xterm)."""

_received = 0
"""The signal that requested the stop, or 0."""


def keep_exit_statuses() -> None:
    """Undo that the parent process ignores SIGCHLD, which an exec preserves.

    The kernel would discard the exit status of each child (wait(2)), and `subprocess` would then
    report success.
    """
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def install_handlers() -> None:
    """Handle SIGINT, SIGTERM, and SIGHUP, except those that the parent process ignores."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)


def raise_if_interrupted() -> None:
    """Mark a safe point: the next run can continue from here.

    Raises:
        Interrupted: A signal was received.

    """
    if _received:
        raise interruption(_received)


def interruption(number: int = signal.SIGINT) -> Interrupted:
    """Return the error for a run that a signal stopped."""
    name = signal.Signals(number).name
    return Interrupted(f"interrupted by {name}; to continue, run the command again", signal=number)


def reset() -> None:
    """Forget a received signal, for a test that runs several commands in one process."""
    global _received
    _received = 0


def _handle(number: int, _frame: FrameType | None) -> None:
    global _received
    if _received:
        _show_cursor()
        os._exit(128 + number)
    _received = number


def _show_cursor() -> None:
    """Show the cursor, unless the terminal accepts no output, for example after Ctrl+S."""
    import select  # here, since most runs receive no signal

    if os.isatty(2) and select.select([], [2], [], 0.1)[1]:
        os.write(2, _SHOW_CURSOR)
