"""Progress on standard error: a live display on a terminal, lines of text or JSON elsewhere."""

from __future__ import annotations

import os
import sys
import time
from _thread import allocate_lock  # Importing `threading` costs a no-op run a millisecond.
from contextlib import suppress

from engine import progress
from engine.output.text import duration, printable
from engine.progress import Reporter
from engine.system.encoding import escape, locale_is_utf8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Literal

    from rich.progress import Progress, TaskID

    from engine.output.measure import Measure

_MAX_DETAIL = 80
"""Maximum number of characters of a tool's output in the live display."""
_MAX_FINISHED = 8
"""Maximum number of finished resources in the live display."""
_MIN_SAMPLES = 3
"""Number of finished resources after which the remaining time is estimated."""


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
            self._write(f"{address}:   {text}" if address else f"  {text}")

    def _write(self, text: str) -> None:
        progress.write_stderr(f"{printable(text)}\n")


class JsonLines(Reporter):
    """Prints one JSON object for each event, for programs that follow a run."""

    def __init__(self, *, verbose: bool) -> None:
        self.verbose = verbose

    def start(self, total: int = 0) -> None:
        """Print the number of resources to process, if it is known."""
        self._write("started", total=total)

    def task_started(self, address: str) -> None:
        """Print the address."""
        self._write("resource-started", address=address)

    def step(self, address: str, text: str) -> None:
        """Print the step."""
        self._write("step", address=address, text=text)

    def detail(self, address: str, text: str) -> None:
        """Print a tool's line."""
        if self.verbose:
            self._write("output", address=address, text=text)

    def task_finished(self, address: str, *, failed: bool = False) -> None:
        """Print the address, and whether the resource failed."""
        self._write("resource-finished", address=address, failed=failed)

    def _write(self, event: str, **values: object) -> None:
        import json

        line = {"event": event, "time": round(time.time(), 3), **values}
        progress.write_stderr(json.dumps(line) + "\n")


class Live(Reporter):
    """Shows a line for each resource in progress, the last finished ones, and their number.

    `start` creates the display, so a run without changes doesn't import rich. The report repeats
    the finished resources, so the display disappears at the end. If the terminal is closed, a
    process under nohup(1) continues without a display.
    """

    def __init__(self, *, color: bool) -> None:
        self.color = color
        self.progress: Progress | None = None
        self.tasks: dict[str, TaskID] = {}
        self.measures: dict[str, Measure] = {}
        """The current step of each resource, if its size is known."""
        self.finished: list[TaskID] = []
        self.bar: TaskID | None = None
        self.done = 0
        self.total = 0
        self.lock = allocate_lock()
        """Held while lines are added or removed: several threads report progress."""
        self.started = 0.0

    def start(self, total: int = 0) -> None:
        """Create the display, or begin to count again for another part of the run."""
        with suppress(OSError):
            if self.progress is None:
                self.progress = _create_display(color=self.color)
                self.progress.start()
            self.done, self.total, self.started = 0, total, time.monotonic()

    def task_started(self, address: str) -> None:
        """Add a line for the resource."""
        if self.progress is not None:
            with self.lock, suppress(OSError):
                self.tasks[address] = self.progress.add_task(
                    "observing", total=1, address=_shown(address), sign=""
                )
                self._count()

    def step(self, address: str, text: str) -> None:
        """Update the line of the resource."""
        self.measures.pop(address, None)
        self._describe(address, text)

    def measure(self, address: str, label: str, total: int, unit: str) -> None:
        """Show the size of the current step, or that it has grown.

        Args:
            address: The address of the resource.
            label: A word for the step, such as `compiling`.
            total: The amount of the whole step.
            unit: A plural noun, or `bytes`.

        """
        # Imported here: a run without changes measures nothing.
        from engine.output.measure import Measure

        measure = self.measures.get(address)
        if measure is not None and measure.label == label:
            measure.total = total
        elif self.progress is not None:
            self.measures[address] = Measure(label, total, unit, time.monotonic())

    def advance(self, address: str, amount: int) -> None:
        """Show how far the current step is, ten times a second."""
        measure = self.measures.get(address)
        if measure is not None:
            with self.lock:
                text = measure.advance(amount, time.monotonic())
            if text:
                self._describe(address, text)

    def _describe(self, address: str, text: str) -> None:
        task = self.tasks.get(address)
        if self.progress is not None and task is not None:
            self.progress.update(task, description=_shown(text))

    def detail(self, address: str, text: str) -> None:
        """Show a tool's line as the current step."""
        self._describe(address, text[:_MAX_DETAIL])

    def task_finished(self, address: str, *, failed: bool = False) -> None:
        """Keep the line of the resource until there are too many of them."""
        sign = _shown("✗" if failed else "✔")
        description = "failed" if failed else "done"
        with self.lock, suppress(OSError):
            if self.progress is None or address not in self.tasks:
                return
            task = self.tasks.pop(address)
            self.measures.pop(address, None)
            self.progress.update(task, completed=1, description=description, sign=sign)
            self.finished.append(task)
            self.done += 1
            if len(self.finished) > _MAX_FINISHED:
                self.progress.remove_task(self.finished.pop(0))
            self._count()

    def _count(self) -> None:
        """Update the last line: the number of finished resources, and the remaining time."""
        if self.progress is None or self.total <= 1:
            return
        if self.bar is not None:
            self.progress.remove_task(self.bar)  # The line stays the last one.
        text = f"{self.done} of {self.total}"
        if _MIN_SAMPLES <= self.done < self.total:
            left_s = (time.monotonic() - self.started) / self.done * (self.total - self.done)
            text += f", about {duration(left_s)} left"
        self.bar = self.progress.add_task(
            _bar(self.done, self.total), total=1, address=text, sign=" "
        )

    def close(self) -> None:
        """Restore the terminal."""
        if self.progress is not None:
            with suppress(OSError):
                self.progress.stop()
            self.progress, self.bar = None, None
            self.tasks.clear()
            self.finished.clear()


def _shown(text: str) -> str:
    """Return text in the characters of the terminal."""
    return escape(printable(text), sys.stderr)


def _bar(done: int, total: int, width: int = 24) -> str:
    filled = width * done // total
    return _shown("█" * filled + "░" * (width - filled))


def _create_display(*, color: bool) -> Progress:
    # Imported here: a run without changes shows no progress.
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    is_utf8 = locale_is_utf8()
    overflow: Literal["ellipsis", "crop"] = "ellipsis" if is_utf8 else "crop"

    class _Sign(SpinnerColumn):
        """A spinner for a resource in progress, and its sign after the end."""

        def render(self, task):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            from rich.text import Text

            sign = task.fields["sign"]
            style = "green" if sign in ("✔", "v") else "red"
            return Text(sign, style=style) if sign else super().render(task)

    class _Elapsed(TimeElapsedColumn):
        """The time of a resource. The last line has none."""

        def render(self, task):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            from rich.text import Text

            return Text("") if task.fields["sign"] == " " else super().render(task)

    return Progress(
        _Sign("dots" if is_utf8 else "line"),
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
        _Elapsed(),
        expand=True,
        console=Console(stderr=True, color_system="auto" if color else None, no_color=not color),
        transient=True,
        redirect_stdout=False,  # Standard output is the result, and it may be a file.
    )


def choose_reporter(arguments: Namespace, *, color: bool) -> Reporter:
    """Choose how to show progress.

    Args:
        arguments: The parsed arguments, with `quiet`, `verbose`, and `progress`.
        color: Whether a live display is colored. Lines never are.

    Returns:
        A live display on a capable terminal unless `verbose`. Otherwise lines, or nothing.

    """
    if arguments.progress == "json":
        return JsonLines(verbose=arguments.verbose)
    if arguments.quiet:
        return Reporter()
    # Such a terminal can't move the cursor, so a live display would show nothing.
    is_dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    is_plain = arguments.progress == "plain" or arguments.verbose
    if sys.stderr.isatty() and not is_dumb and not is_plain:
        return Live(color=color)
    return Lines(verbose=arguments.verbose)
