"""The packages that the scenarios install: wheels, requirements files, a project, a Git repository."""

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
"""The base interpreter of the tests. Every venv uses it unless a scenario names another one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """The directories of one session; `names` maps the placeholders of the scenarios to values."""

    directory: Path
    index: Index
    names: Mapping[str, str]

    @property
    def wheels(self) -> Path:
        """The directory of wheels, which the index serves too."""
        return self.directory / "wheels"

    def fill(self, value: object, root: Path) -> object:
        """Return the value with its placeholders replaced, at any depth."""
        if isinstance(value, str):
            return value.format(**self.names, root=root)
        if isinstance(value, list):
            return [self.fill(element, root) for element in value]
        if isinstance(value, dict):
            return {key: self.fill(element, root) for key, element in value.items()}
        return value


def other_python(directory: Path) -> str:
    """Return an interpreter other than that of the tests: another version, or else a copy."""
    versions = [version for version in ("3.12", "3.10", "3.13", "3.9") if version != _VERSION]
    other = next(filter(None, map(interpreter, versions)), None)
    return str(other or private_interpreter(directory / "other", PYTHON))


def make_wheels(wheels: Path) -> None:
    """Write the wheels that all scenarios share."""
    for version in ("1.0", "2.0", "2.1.0+cpu", "3.0rc1"):
        make_wheel(wheels, "alpha", version)
    make_wheel(
        wheels, "beta", "1.0", extras={"sock": ["gamma"]}, console_scripts={"beta": "beta:run"}
    )
    make_wheel(wheels, "gamma", "1.0")
    make_wheel(wheels, "Delta_Pkg", "1.0")


def make_sources(directory: Path, index: Index) -> Sources:
    """Create all packages below `directory`; the index must serve its subdirectory `wheels`."""
    make_wheels(directory / "wheels")
    requirements = directory / "requirements"
    requirements.mkdir()
    (requirements / "web.txt").write_text("alpha==1.0\n-r more.txt\n")
    (requirements / "more.txt").write_text("beta>=1.0  # the newest version\n")
    project = make_project(directory, "local", "1.0")
    git = make_git_project(directory, "gitty", "1.0", files={"src/gitty/data.txt": "old\n"})
    old = git.head
    new = git.commit({"src/gitty/data.txt": "new\n"})
    names = {
        "wheels": str(directory / "wheels"),
        "requirements": str(requirements),
        "project": str(project),
        "git": git.url,
        "old": old,
        "new": new,
        "other": other_python(directory),
        "index": index.url_with_password,
    }
    return Sources(directory=directory, index=index, names=names)
