"""The input of a sweep: an initial state, a command to interrupt, and a check of the result."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from .calls import SystemCall, count_all
from .disks import Disk, overlay
from .sandbox import Command
from .supervisor import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario. Each function receives the directory that contains all of its files."""

    name: str
    setup: Callable[[Path], None]
    """Create the initial state in the empty directory."""
    command: Callable[[Path], Command]
    """Return the command to interrupt. Called once for each point, so it must be cheap."""
    check: Callable[[Path, Outcome], Sequence[str]]
    """Recover as a user would after the fault, and return the violations, one line each."""
    published_error: Callable[[Path], str | None] = lambda _home: None
    """Return what is wrong with the published path at this moment, or None."""
    roots: Callable[[Path], Sequence[Path]] = lambda home: (home,)
    """Return the directories whose system calls count as points."""
    counts: Callable[[SystemCall], bool] = count_all
    """Return whether a call below the roots is a point."""
    expected_exit_codes: Sequence[int] = (0,)
    """The exit codes of an uninterrupted run."""
    missing_result: Callable[[Path], Sequence[str]] = lambda _home: ()
    """Return the parts of a successful result that are missing, for example after a power cut."""
    entries: Callable[[Path], Collection[str]] = lambda _home: ()
    """Return the names of what exists. A fault must not delete more than a run without one."""
    output_error: Callable[[Path, Outcome], str | None] = lambda _home, _outcome: None
    """Return what is wrong with the output or the exit code, or None."""
    environment: Callable[[Path], AbstractContextManager[object]] = nullcontext
    """Return the context in which the command runs, such as beside another process."""


@dataclass(frozen=True, slots=True)
class PreparedState:
    """The initial state of a scenario: created once, then restored before each point.

    Restoring a loop image keeps even the inode numbers. Without loop mounts, `kind` equals None and
    restoring runs the setup again.
    """

    directory: Path
    kind: str | None
    layers: bool = False
    """Whether the state is a read-only image, with a writable layer above it as in a container."""

    @property
    def home(self) -> Path:
        """The scenario's directory. Every worker uses this path, in its own mount namespace."""
        return self.directory / "home"

    def prepare(self, scenario: Scenario) -> None:
        """Run the setup once and keep its result."""
        self.home.mkdir(parents=True, exist_ok=True)
        if self.kind is not None:
            disk = Disk.make(self.directory / "base", self.kind)
            with disk.mounted(self.home):
                scenario.setup(self.home)
                os.sync()

    @contextmanager
    def restored(self, scenario: Scenario, worker: str) -> Iterator[tuple[Disk, str] | None]:
        """Make the prepared state available at `home`, writable.

        Yield the disk and the name of its block device, or None if there is no disk or if it is
        below an overlay.
        """
        if self.kind is None:
            for entry in self.home.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            scenario.setup(self.home)
            yield None
            return
        disk = Disk(self.directory / "base", self.kind).copy(self.directory / f"disk-{worker}")
        if not self.layers:
            with disk.mounted(self.home) as device:
                yield disk, device
            return
        image = self.directory / f"image-{worker}"
        image.mkdir(exist_ok=True)
        with disk.mounted(image), overlay(image, self.home, self.directory / f"layer-{worker}"):
            yield None
