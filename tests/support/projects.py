"""Generate source projects: directories, source distributions, Git repositories.

Each project contains its build backend, so that a build needs neither network nor setuptools.
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
    """Write the directory `directory`/NAME, ready for `pip install`; return its path.

    An existing project is overwritten.

    Args:
        directory: The parent directory.
        name: The name of the project.
        version: The version of the project.
        requires: The requirements.
        extras: The requirements of each extra.
        requires_python: The supported Python versions.
        files: Contents by path relative to the project (`src/NAME/more.py`).
        console_scripts: Targets ("module:function") by command.
        build_requires: The requirements of the build.
        build_fails: Makes the backend print this text and exit 1 when it builds a wheel.
        static: If false, pyproject.toml has no `[project]`, so that an installer must run the
            backend to get the name and the requirements.

    """
    project_dir = directory / name
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
        _write(project_dir / path, content)
    return project_dir


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
    """Write `directory`/NAME-VERSION.tar.gz of a project, and return its path.

    The arguments are those of `make_project`.
    """
    scratch = directory / f".{module_name(name)}-{version}.scratch"
    project_dir = make_project(
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
    packed = backend.pack(str(project_dir), str(directory), f"{module_name(name)}-{version}")
    shutil.rmtree(scratch)
    return directory / packed


@dataclass(frozen=True, kw_only=True, slots=True)
class GitProject:
    """A Git repository of one project, on the branch `main`."""

    path: Path
    name: str
    heads: list[str] = field(default_factory=list)
    """Every commit made through this object, oldest first."""

    @property
    def url(self) -> str:
        """The URL for a direct reference: `git+file:///…`."""
        return f"git+{self.path.resolve().as_uri()}"

    @property
    def head(self) -> str:
        """The current commit."""
        return self.git("rev-parse", "HEAD")

    def commit(self, change: Mapping[str, str] | None = None, *, version: str | None = None) -> str:
        """Write `change` {path: content} or a new version, commit all files, return the hash."""
        if version is not None:
            make_project(self.path.parent, self.name, version)
        for path, content in (change or {}).items():
            _write(self.path / path, content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", f"change {len(self.heads)}")
        self.heads.append(self.head)
        return self.head

    def tag(self, name: str) -> None:
        """Set the tag `name` to the current commit; move it if it exists."""
        self.git("tag", "--force", name)

    def branch(self, name: str) -> None:
        """Set the branch `name` to the current commit, without a checkout."""
        self.git("branch", "--force", name)

    def git(self, *arguments: str) -> str:
        """Run Git in the repository, without user configuration; return its output."""
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{role}_NAME": "tests" for role in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{role}_EMAIL": "tests@localhost" for role in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{role}_DATE": _WHEN for role in ("AUTHOR", "COMMITTER")},
        }
        completed = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return completed.stdout.strip()


def make_git_project(
    directory: Path, name: str, version: str, *, files: Mapping[str, str] | None = None
) -> GitProject:
    """Create the project `directory`/NAME as a Git repository with one commit, tagged VERSION."""
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
    """Return `[project]` as TOML. JSON strings and lists are valid TOML."""
    lines = ["[project]", f"name = {json.dumps(name)}", f"version = {json.dumps(version)}"]
    if requires_python:
        lines.append(f"requires-python = {json.dumps(requires_python)}")
    lines.append(f"dependencies = {json.dumps(requires)}")
    if extras:
        lines.append("[project.optional-dependencies]")
        lines += [f"{extra} = {json.dumps(list(lines))}" for extra, lines in extras.items()]
    if console_scripts:
        lines.append("[project.scripts]")
        lines += [
            f"{command} = {json.dumps(target)}" for command, target in console_scripts.items()
        ]
    return "\n".join(lines) + "\n"


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
