"""Progress on standard error: alive on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from engine.output.text import printable
from engine.progress import Reporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Lines(Reporter):
    """One line for each step; with `verbose` also what the tools say."""

    def __init__(self, *, verbose: bool) -> None:
        self.verbose = verbose

    def step(self, address: str, text: str) -> None:
        """Write `address: step`; what belongs to no resource stands alone."""
        self._write(f"{address}: {text}" if address else text)

    def detail(self, address: str, text: str) -> None:
        """Write a tool's line, indented."""
        if self.verbose:
            self._write(f"{address}:   {text}")

    def _write(self, text: str) -> None:
        try:
            print(printable(text), file=sys.stderr, flush=True)
        except OSError:
            return  # nobody listens any more; the work goes on


class Live(Reporter):
    """A spinner for each resource under way, with its latest step; gone at the end.

    A terminal may be closed meanwhile, under who was told not to mind (nohup(1)).
    """

    def __init__(self, *, colour: bool) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.table import Column

        self.progress: Progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[address]}", markup=False),
            # It has what the others leave: a long line must not push the address out.
            TextColumn(
                "{task.description}",
                markup=False,
                style="dim",
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            ),
            TimeElapsedColumn(),
            expand=True,
            console=Console(
                stderr=True, color_system="auto" if colour else None, no_color=not colour
            ),
            transient=True,
            redirect_stdout=False,  # what is printed meanwhile is the result, wherever it goes
        )
        self.tasks: dict[str, TaskID] = {}
        self.progress.start()

    def task_started(self, address: str) -> None:
        """Show a line for the resource."""
        shown = printable(address)
        with suppress(OSError):
            self.tasks[address] = self.progress.add_task("looking", total=None, address=shown)

    def step(self, address: str, text: str) -> None:
        """Change its line."""
        if address in self.tasks:
            self.progress.update(self.tasks[address], description=printable(text))

    def detail(self, address: str, text: str) -> None:
        """A tool's line is the freshest news there is."""
        self.step(address, text[:80])

    def task_finished(self, address: str) -> None:
        """Take its line away."""
        task = self.tasks.pop(address, None)
        if task is not None:
            self.progress.remove_task(task)

    def close(self) -> None:
        """Restore the terminal."""
        with suppress(OSError):
            self.progress.stop()


def reporter(*, quiet: bool, verbose: bool, colour: bool) -> Reporter:
    """Choose how to tell of progress, by who looks; only a live display has colours."""
    if quiet:
        return Reporter()
    # One that knows no way back to the start of a line would show nothing at all.
    able = os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
    if sys.stderr.isatty() and able and not verbose:
        return LazyLive(colour=colour)
    return Lines(verbose=verbose)


class LazyLive(Reporter):
    """A live display that is made when there is first something to show.

    A run with nothing to do never pays for it.
    """

    def __init__(self, *, colour: bool) -> None:
        self.colour = colour
        self.live: Live | None = None

    def start(self) -> None:
        """Make the display."""
        with suppress(OSError):
            self.live = Live(colour=self.colour)

    def task_started(self, address: str) -> None:
        """Pass on."""
        if self.live is not None:
            self.live.task_started(address)

    def step(self, address: str, text: str) -> None:
        """Pass on."""
        if self.live is not None:
            self.live.step(address, text)

    def detail(self, address: str, text: str) -> None:
        """Pass on."""
        if self.live is not None:
            self.live.detail(address, text)

    def task_finished(self, address: str) -> None:
        """Pass on."""
        if self.live is not None:
            self.live.task_finished(address)

    def close(self) -> None:
        """Pass on."""
        if self.live is not None:
            self.live.close()
