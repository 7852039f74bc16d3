"""Stopping when asked: at the next safe point, from where the next run goes on.

A second signal ends the process at once, which is as safe: what counts is decided by
one rename, and the next run clears up.
"""

from __future__ import annotations

import os
import signal

from engine.errors import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_SHOW_CURSOR = b"\x1b[?25h"
"""Progress hides it (ECMA-48 private mode 25, as xterm has it)."""

_asked = 0


def install_handlers() -> None:
    """Take SIGINT, SIGTERM and SIGHUP as requests to stop."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)


def asked() -> int:
    """Return the signal that asked us to stop, or 0."""
    return _asked


def raise_if_interrupted() -> None:
    """Raise `Interrupted` if we were asked to stop."""
    if _asked:
        name = signal.Signals(_asked).name
        raise Interrupted(f"stopped by {name}; just run it again", signal=_asked)


def _handle(number: int, _frame: FrameType | None) -> None:
    global _asked  # a process is asked to stop once
    if _asked:
        if os.isatty(2):
            os.write(2, _SHOW_CURSOR)
        os._exit(128 + number)
    _asked = number
