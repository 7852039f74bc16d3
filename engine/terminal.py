"""Progress on standard error: alive on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

from engine.progress import Reporter
from engine.render import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Lines(Reporter):
    """One line for each step; with `verbose` also what the tools say."""

    def __init__(self, *, verbose: bool) -> None:
        self.verbose = verbose
        self.since: dict[str, float] = {}

    def begun(self, address: str) -> None:
        """Note the time."""
        self.since[address] = time.monotonic()

    def step(self, address: str, text: str) -> None:
        """Write `address: step (so many seconds into it)`."""
        self._write(f"{address}: {text}")

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
    """A spinner for each resource under way, with its latest step; gone at the end."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.progress: Progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[address]}", markup=False),
            TextColumn("{task.description}", markup=False, style="dim"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self.tasks: dict[str, TaskID] = {}
        self.progress.start()

    def begun(self, address: str) -> None:
        """Show a line for the resource."""
        self.tasks[address] = self.progress.add_task("looking", total=None, address=address)

    def step(self, address: str, text: str) -> None:
        """Change its line."""
        if address in self.tasks:
            self.progress.update(self.tasks[address], description=printable(text))

    def detail(self, address: str, text: str) -> None:
        """A tool's line is the freshest news there is."""
        self.step(address, text[:80])

    def ended(self, address: str) -> None:
        """Take its line away."""
        task = self.tasks.pop(address, None)
        if task is not None:
            self.progress.remove_task(task)

    def close(self) -> None:
        """Restore the terminal."""
        self.progress.stop()


def reporter(*, quiet: bool, verbose: bool) -> Reporter:
    """Choose how to tell of progress, by who looks."""
    if quiet:
        return Reporter()
    if sys.stderr.isatty() and not verbose:
        return LazyLive()
    return Lines(verbose=verbose)


class LazyLive(Reporter):
    """A live display that is made when there is first something to show.

    A run with nothing to do never pays for it.
    """

    def __init__(self) -> None:
        self.live: Live | None = None

    def opened(self) -> None:
        """Make the display."""
        self.live = Live()

    def begun(self, address: str) -> None:
        """Pass on."""
        if self.live is not None:
            self.live.begun(address)

    def step(self, address: str, text: str) -> None:
        """Pass on."""
        if self.live is not None:
            self.live.step(address, text)

    def detail(self, address: str, text: str) -> None:
        """Pass on."""
        if self.live is not None:
            self.live.detail(address, text)

    def ended(self, address: str) -> None:
        """Pass on."""
        if self.live is not None:
            self.live.ended(address)

    def close(self) -> None:
        """Pass on."""
        if self.live is not None:
            self.live.close()
