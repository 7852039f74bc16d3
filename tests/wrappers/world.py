"""What the scenarios install: wheels, requirement files, a source project, a git repository."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.integration.interpreters import private_interpreter
from tests.support.index import Index
from tests.support.wheels import make_git_project, make_project, make_wheel
from tests.wrappers.interpreters import interpreter

PASSWORD = "s3cret-canary"
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = str(Path(sys.base_prefix, "bin", f"python{_VERSION}"))
"""The Python under this one, which every environment is made from unless a scenario says other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """The folders of one table run; `names` is what the scenarios' placeholders mean."""

    folder: Path
    index: Index
    names: Mapping[str, str]

    @property
    def wheels(self) -> Path:
        """The folder of wheels, which the index serves too."""
        return self.folder / "wheels"

    def fill(self, value: object, root: Path) -> object:
        """Return the value with its placeholders filled in, at any depth."""
        if isinstance(value, str):
            return value.format(**self.names, root=root)
        if isinstance(value, list):
            return [self.fill(one, root) for one in value]
        if isinstance(value, dict):
            return {key: self.fill(one, root) for key, one in value.items()}
        return value


def other_python(folder: Path) -> str:
    """Return another Python than the one the tests run on: of another version, or a copy."""
    others = [version for version in ("3.12", "3.10", "3.13", "3.9") if version != _VERSION]
    found = next(filter(None, map(interpreter, others)), None)
    return str(found or private_interpreter(folder / "other", PYTHON))


def make_wheels(wheels: Path) -> None:
    """Write the wheels that every scenario chooses from."""
    for version in ("1.0", "2.0", "2.1.0+cpu", "3.0rc1"):
        make_wheel(wheels, "alpha", version)
    make_wheel(
        wheels, "beta", "1.0", extras={"sock": ["gamma"]}, console_scripts={"beta": "beta:run"}
    )
    make_wheel(wheels, "gamma", "1.0")
    make_wheel(wheels, "Delta_Pkg", "1.0")


def make_world(folder: Path, index: Index) -> World:
    """Make everything below `folder`; the index must serve its folder `wheels`."""
    make_wheels(folder / "wheels")
    lists = folder / "lists"
    lists.mkdir()
    (lists / "web.txt").write_text("alpha==1.0\n-r more.txt\n")
    (lists / "more.txt").write_text("beta>=1.0  # the newest there is\n")
    source = make_project(folder, "local", "1.0")
    project = make_git_project(folder, "gitty", "1.0", files={"src/gitty/said.txt": "old\n"})
    old = project.head
    new = project.commit({"src/gitty/said.txt": "new\n"})
    names = {
        "wheels": str(folder / "wheels"),
        "lists": str(lists),
        "source": str(source),
        "git": project.url,
        "old": old,
        "new": new,
        "other": other_python(folder),
        "index": index.url_with_password,
    }
    return World(folder=folder, index=index, names=names)
