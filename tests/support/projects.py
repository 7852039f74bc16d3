"""Source projects made on the spot: folders, source distributions, git repositories.

Each carries its own build backend, so that building one needs no network and no setuptools.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import backend
from tests.support.metadata import Extras, core_metadata, entry_points, module_name

_WHEN = "2020-01-01T00:00:00+00:00"


def make_project(
    directory: Path,
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    extras: Extras | None = None,
    requires_python: str | None = None,
    files: Mapping[str, str] | None = None,
    console_scripts: Mapping[str, str] | None = None,
    build_requires: Iterable[str] = (),
    build_fails: str | None = None,
    static: bool = True,
) -> Path:
    """Write the folder `directory`/NAME, ready for `pip install`; return it.

    `files` {path: content} are added, relative to the project (`src/NAME/more.py`); an existing
    project is written over. `build_fails` makes the backend print that text and exit 1 when a
    wheel is built; `static=False` leaves `[project]` out of pyproject.toml, so that an installer
    must run the backend to know the name and what is required.
    """
    folder = directory / name
    package = module_name(name)
    options = [f"requires = {json.dumps(list(build_requires))}", 'build-backend = "backend"']
    pyproject = "\n".join(["[build-system]", *options, 'backend-path = ["_build"]', ""])
    requires = list(requires)
    if static:
        project = _project_table(name, version, requires, extras, requires_python, console_scripts)
        pyproject = project + "\n" + pyproject
    written = {
        "pyproject.toml": pyproject,
        "PKG-INFO": core_metadata(
            name, version, requires=requires, extras=extras, requires_python=requires_python
        ),
        "_build/backend.py": Path(backend.__file__).read_text(encoding="utf-8"),
        f"src/{package}/__init__.py": f'__version__ = "{version}"\n',
    }
    if console_scripts:
        written["entry_points.txt"] = entry_points(console_scripts)
    if build_fails is not None:
        written["build-fails.txt"] = build_fails
    for path, content in {**written, **(files or {})}.items():
        _write(folder / path, content)
    return folder


def make_sdist(
    directory: Path,
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    extras: Extras | None = None,
    requires_python: str | None = None,
    files: Mapping[str, str] | None = None,
    console_scripts: Mapping[str, str] | None = None,
    build_requires: Iterable[str] = (),
    build_fails: str | None = None,
    static: bool = True,
) -> Path:
    """Write `directory`/NAME-VERSION.tar.gz of such a project and return its path."""
    scratch = directory / f".{module_name(name)}-{version}.making"
    folder = make_project(
        scratch,
        name,
        version,
        requires=requires,
        extras=extras,
        requires_python=requires_python,
        files=files,
        console_scripts=console_scripts,
        build_requires=build_requires,
        build_fails=build_fails,
        static=static,
    )
    packed = backend.pack(str(folder), str(directory), f"{module_name(name)}-{version}")
    shutil.rmtree(scratch)
    return directory / packed


@dataclass(frozen=True, kw_only=True, slots=True)
class GitProject:
    """A git repository of one project, on the branch `main`, and what may happen to it."""

    path: Path
    name: str
    heads: list[str] = field(default_factory=list)
    """Every commit made through this object, oldest first."""

    @property
    def url(self) -> str:
        """The repository as a direct reference names it: `git+file:///…`."""
        return f"git+{self.path.resolve().as_uri()}"

    @property
    def head(self) -> str:
        """The commit that is checked out."""
        return self.git("rev-parse", "HEAD")

    def commit(self, change: Mapping[str, str] | None = None, *, version: str | None = None) -> str:
        """Write `change` {path: content}, or a new version, commit everything; return the hash."""
        if version is not None:
            make_project(self.path.parent, self.name, version)
        for path, content in (change or {}).items():
            _write(self.path / path, content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", f"change {len(self.heads)}")
        self.heads.append(self.head)
        return self.head

    def tag(self, name: str) -> None:
        """Put the tag `name` on the commit that is checked out, moving it if it exists."""
        self.git("tag", "--force", name)

    def branch(self, name: str) -> None:
        """Put the branch `name` on the commit that is checked out, without switching to it."""
        self.git("branch", "--force", name)

    def git(self, *arguments: str) -> str:
        """Run git in the repository, with no configuration but ours; return what it printed."""
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_NAME": "tests" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "tests@localhost" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_DATE": _WHEN for who in ("AUTHOR", "COMMITTER")},
        }
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()


def make_git_project(
    directory: Path, name: str, version: str, *, files: Mapping[str, str] | None = None
) -> GitProject:
    """Make the project `directory`/NAME a git repository with one commit, tagged with VERSION."""
    project = GitProject(path=make_project(directory, name, version, files=files), name=name)
    project.git("init", "--quiet", "--initial-branch", "main")
    project.commit()
    project.tag(version)
    return project


def _project_table(
    name: str,
    version: str,
    requires: list[str],
    extras: Extras | None,
    requires_python: str | None,
    console_scripts: Mapping[str, str] | None,
) -> str:
    """Return `[project]` as TOML; JSON's strings and lists are TOML's."""
    lines = ["[project]", f"name = {json.dumps(name)}", f"version = {json.dumps(version)}"]
    if requires_python:
        lines.append(f"requires-python = {json.dumps(requires_python)}")
    lines.append(f"dependencies = {json.dumps(requires)}")
    if extras:
        lines.append("[project.optional-dependencies]")
        lines += [f"{extra} = {json.dumps(list(what))}" for extra, what in extras.items()]
    if console_scripts:
        lines.append("[project.scripts]")
        lines += [f"{command} = {json.dumps(to)}" for command, to in console_scripts.items()]
    return "\n".join(lines) + "\n"


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
