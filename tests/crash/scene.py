"""What a sweep is run over: a state to start from, a command to strike, a judgement afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .cage import Command
from .disks import Disk, layered
from .supervisor import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One scenario; each function is given the folder in which everything of it happens."""

    name: str
    setup: Callable[[Path], None]
    """Brings the empty folder to the state before the command."""
    command: Callable[[Path], Command]
    """What is struck; must be cheap, it is asked for again and again."""
    check: Callable[[Path, Outcome], Sequence[str]]
    """After the strike: recovers as a user would and says what was violated, one line each."""
    look: Callable[[Path], str | None] = lambda _home: None
    """What is wrong with the published path at this very moment; None if nothing is."""
    roots: Callable[[Path], Sequence[Path]] = lambda home: (home,)
    """Only calls below these are points."""
    expected: Sequence[int] = (0,)
    """How the command ends when nothing goes wrong."""
    done: Callable[[Path], Sequence[str]] = lambda _home: ()
    """After a power cut behind a command that reported success: what of it is not there."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a scene is set up once and then restored before each point, to the inode.

    Without loop mounts (``kind`` None) the set-up is simply run again each time.
    """

    folder: Path
    kind: str | None
    layers: bool = False
    """Whether that state is an image, and the scene happens in a container's layer above it."""

    @property
    def home(self) -> Path:
        """The scene's folder: the same path in every worker, whose mounts are its own."""
        return self.folder / "home"

    def prepare(self, scene: Scene) -> None:
        """Run the set-up once and keep its result."""
        self.home.mkdir(parents=True, exist_ok=True)
        if self.kind is not None:
            disk = Disk.make(self.folder / "base", self.kind)
            with disk.mounted(self.home):
                scene.setup(self.home)
                os.sync()

    @contextmanager
    def fresh(self, scene: Scene, worker: str) -> Iterator[tuple[Disk, str] | None]:
        """The prepared state, writable, at ``home``; gives the disk and its device, if any."""
        if self.kind is None:
            for entry in self.home.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            scene.setup(self.home)
            yield None
            return
        disk = Disk(self.folder / "base", self.kind).copy(self.folder / f"disk-{worker}")
        if not self.layers:
            with disk.mounted(self.home) as device:
                yield disk, device
            return
        image = self.folder / f"image-{worker}"
        image.mkdir(exist_ok=True)
        with disk.mounted(image), layered(image, self.home, self.folder / f"layer-{worker}"):
            yield None
