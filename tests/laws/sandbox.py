"""A directory for one resource, and the loop that converges it."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.converge import converge
from engine.declaration.load import load_declaration, read_sources
from engine.kind import AnyKind
from engine.resource import Resource
from engine.result import Result
from engine.settings import Settings
from engine.strategy.actions import Apply, DryRun, Strategy
from states.__main__ import build_registry
from tests.laws.samples import Sample

FileState = tuple[int, int, int, bytes]
"""Mode, inode, ctime in nanoseconds, content."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """`directory` contains the declaration and its resource; `settings` name cache and state."""

    directory: Path
    sample: Sample
    settings: Settings

    @property
    def file(self) -> Path:
        """The declaration."""
        return self.directory / "converge.toml"

    def declare(self, table: str) -> Resource:
        """Write the declaration and return its only resource of the sample's kind."""
        self.file.write_text(table.replace("@", str(self.directory)))
        registry = build_registry(self.settings)
        sources = read_sources([str(self.file)], registry)
        declared = load_declaration(sources, registry, None)
        (resource,) = [resource for resource in declared if resource.kind == self.sample.kind]
        return resource

    def kind(self) -> AnyKind:
        """Return a new instance of the kind, as each run of the command does."""
        return build_registry(self.settings).kinds[self.sample.kind]

    def plan(self, resource: Resource) -> Result:
        """Run the loop without changes."""
        return self._converge(resource, DryRun())

    def apply(self, resource: Resource) -> Result:
        """Run the loop and make the changes."""
        return self._converge(resource, Apply(0))

    def _converge(self, resource: Resource, run: Strategy) -> Result:
        (result,) = converge((resource,), build_registry(self.settings).kinds, run)
        if result.error is not None:
            raise result.error
        return result

    def snapshot(self, *, without: tuple[str, ...] = ()) -> Mapping[str, FileState]:
        """Return the state of each path in the directory and the state directory.

        Paths in `without`, and everything below them, are left out.
        """
        roots = (str(self.directory), self.settings.state)
        paths = [path for root in roots for path in walk(root)]
        return {path: _file_state(path) for path in paths if not is_within(path, without)}


def walk(directory: str) -> list[str]:
    """Return a directory and all paths below it."""
    paths = [directory]
    for parent, directories, files in os.walk(directory):
        paths += (os.path.join(parent, name) for name in (*directories, *files))
    return paths


def is_within(path: str, roots: tuple[str, ...]) -> bool:
    """Return whether a path is one of the roots or below one."""
    return any(path == root or path.startswith(f"{root}/") for root in roots)


def _file_state(path: str) -> FileState:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return (0, 0, 0, b"")
    content = Path(path).read_bytes() if stat.S_ISREG(status.st_mode) else b""
    return (status.st_mode, status.st_ino, status.st_ctime_ns, content)
