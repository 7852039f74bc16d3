"""Progress on standard error: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from engine import progress
from engine.output.text import printable
from engine.progress import Reporter
from engine.system.encoding import escape, locale_is_utf8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from rich.progress import Progress, TaskID

_MAX_DETAIL = 80
"""Maximum number of characters of a tool's output in the live display."""


class Lines(Reporter):
    """Prints one line for each step, and with `verbose` also the output of tools."""

    def __init__(self, *, verbose: bool) -> None:
        self.verbose = verbose

    def step(self, address: str, text: str) -> None:
        """Print the step, after the address of its resource if it has one."""
        self._write(f"{address}: {text}" if address else text)

    def detail(self, address: str, text: str) -> None:
        """Print a tool's line, indented."""
        if self.verbose:
            self._write(f"{address}:   {text}")

    def _write(self, text: str) -> None:
        progress.write_stderr(f"{printable(text)}\n")


class Live(Reporter):
    """Shows a spinner for each resource in progress with its latest step, until the run ends.

    `start` creates the display, so a run without changes doesn't import rich. If the terminal
    is closed, a process under nohup(1) continues without a display.
    """

    def __init__(self, *, color: bool) -> None:
        self.color = color
        self.progress: Progress | None = None
        self.tasks: dict[str, TaskID] = {}

    def start(self) -> None:
        """Create the display."""
        with suppress(OSError):
            progress = _create_display(color=self.color)
            progress.start()
            self.progress = progress

    def task_started(self, address: str) -> None:
        """Add a line for the resource."""
        if self.progress is not None:
            with suppress(OSError):
                self.tasks[address] = self.progress.add_task(
                    "observing", total=None, address=_shown(address)
                )

    def step(self, address: str, text: str) -> None:
        """Update the line of the resource."""
        if self.progress is not None and address in self.tasks:
            self.progress.update(self.tasks[address], description=_shown(text))

    def detail(self, address: str, text: str) -> None:
        """Show a tool's line as the current step."""
        self.step(address, text[:_MAX_DETAIL])

    def task_finished(self, address: str) -> None:
        """Remove the line of the resource."""
        if self.progress is not None and address in self.tasks:
            self.progress.remove_task(self.tasks.pop(address))

    def close(self) -> None:
        """Restore the terminal."""
        if self.progress is not None:
            with suppress(OSError):
                self.progress.stop()


def _shown(text: str) -> str:
    """Return text in the characters of the terminal."""
    return escape(printable(text), sys.stderr)


def _create_display(*, color: bool) -> Progress:
    # Imported here: a run without changes shows no progress.
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    is_utf8 = locale_is_utf8()
    overflow: Literal["ellipsis", "crop"] = "ellipsis" if is_utf8 else "crop"
    return Progress(
        SpinnerColumn("dots" if is_utf8 else "line"),
        TextColumn(
            "{task.fields[address]}",
            markup=False,
            table_column=Column(no_wrap=True, overflow=overflow),
        ),
        # This column takes the remaining width, so a long line doesn't truncate the address.
        TextColumn(
            "{task.description}",
            markup=False,
            style="dim",
            table_column=Column(ratio=1, no_wrap=True, overflow=overflow),
        ),
        TimeElapsedColumn(),
        expand=True,
        console=Console(stderr=True, color_system="auto" if color else None, no_color=not color),
        transient=True,
        redirect_stdout=False,  # Standard output is the result, and it may be a file.
    )


def choose_reporter(*, quiet: bool, verbose: bool, color: bool) -> Reporter:
    """Choose how to show progress.

    Args:
        quiet: Show nothing.
        verbose: Print lines, including the output of tools.
        color: Whether a live display is colored. Lines never are.

    Returns:
        A live display on a capable terminal unless `verbose`. Otherwise lines, or nothing.

    """
    if quiet:
        return Reporter()
    # Such a terminal can't move the cursor, so a live display would show nothing.
    is_dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    if sys.stderr.isatty() and not is_dumb and not verbose:
        return Live(color=color)
    return Lines(verbose=verbose)
