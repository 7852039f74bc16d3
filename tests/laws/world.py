"""A folder for one resource, and the loop over it as the command runs it."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.converge import BringAbout, Foretell, Result, Run, converge
from engine.kind import Kind
from engine.loading import load, read_texts
from engine.resource import Resource
from engine.settings import Settings
from states.__main__ import compose
from tests.laws.samples import Sample

Look = tuple[int, int, int, bytes]
"""Mode, inode, time of the last change, content."""


@dataclass(frozen=True, slots=True)
class World:
    """`folder` has the declaration and all that is declared; the rest is the engine's own."""

    folder: Path
    sample: Sample
    settings: Settings

    @property
    def file(self) -> Path:
        """The declaration."""
        return self.folder / "converge.toml"

    def declare(self, table: str) -> Resource:
        """Write the declaration, and return the resource that it declares."""
        self.file.write_text(table.replace("@", str(self.folder)))
        (resource,) = load(read_texts([str(self.file)]), compose(self.settings), None)
        assert resource.kind == self.sample.kind
        return resource

    def kind(self) -> Kind:
        """Return the kind, made anew, as each run of the command does."""
        return compose(self.settings).kinds[self.sample.kind]

    def go(self, resource: Resource, run: Run) -> Result:
        """Run the loop."""
        (result,) = converge((resource,), compose(self.settings).kinds, run)
        if result.error is not None:
            raise result.error
        return result

    def foretell(self, resource: Resource) -> Result:
        """Do a dry run."""
        return self.go(resource, Foretell())

    def bring_about(self, resource: Resource) -> Result:
        """Do a real run."""
        return self.go(resource, BringAbout(0))

    def looks(self, *, without: tuple[str, ...] = ()) -> Mapping[str, Look]:
        """Return how all looks below the folder and the state folder, but for some paths."""
        places = (str(self.folder), self.settings.state)
        paths = [path for place in places for path in below(place)]
        return {path: _look(path) for path in paths if not within(path, without)}


def below(folder: str) -> list[str]:
    """Return a folder and all that is below it."""
    found = [folder]
    for parent, folders, files in os.walk(folder):
        found += (os.path.join(parent, name) for name in (*folders, *files))
    return found


def within(path: str, places: tuple[str, ...]) -> bool:
    """Tell whether a path is one of the places, or lies in one."""
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _look(path: str) -> Look:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return (0, 0, 0, b"")
    plain = stat.S_ISREG(found.st_mode)
    content = Path(path).read_bytes() if plain else b""
    return (found.st_mode, found.st_ino, found.st_ctime_ns, content)
