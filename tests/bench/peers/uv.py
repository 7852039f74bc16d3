"""uv: one `uv pip sync` for each environment."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.measure import Case, Command, argv
from tests.bench.workspace import Workspace

REQUIREMENTS = "uv, requirements"
PYLOCK = "uv, pylock"


def no_op(workspace: Workspace, services: Sequence[str], lockfile_format: str) -> Case:
    """Return the case of environments with nothing to do. uv reads none of their files."""
    directory = workspace.once(
        f"uv/{'+'.join(sorted(set(services)))}-{len(services)}", _many(workspace, services)
    )
    commands = [
        [*_sync(workspace, directory / f"{number:03}"), *_file(workspace, service, lockfile_format)]
        for number, service in enumerate(services)
    ]
    return Case(name=lockfile_format, commands=commands, expected_output="Checked")


def cold(workspace: Workspace, services: Sequence[str]) -> Case:
    """Return the case of building environments in a loop, with copies and bytecode."""
    directory = workspace.make_directory("uv/cold")
    commands: list[Command] = []
    for number, service in enumerate(services):
        venv = directory / f"{number:03}"
        workspace.once(f"uv/warm-{service}", _warm(workspace, service))
        commands.append(argv(workspace.uv, "venv", "--python", workspace.python, venv))
        options = ["--link-mode", "copy", "--compile-bytecode"]
        commands.append([*_sync(workspace, venv), *options, *_file(workspace, service, PYLOCK)])
    return Case(name=PYLOCK, commands=commands, before=lambda: shutil.rmtree(directory))


def _many(workspace: Workspace, services: Sequence[str]) -> Callable[[Path], None]:
    def make(directory: Path) -> None:
        for number, service in enumerate(services):
            fill(workspace, directory / f"{number:03}", service)

    return make


def fill(workspace: Workspace, venv: Path, service: str) -> None:
    """Install the packages of `service` into `venv`, and create it if necessary. Not measured."""
    if not venv.exists():
        workspace.prepare(argv(workspace.uv, "venv", "--python", workspace.python, venv))
    command = argv(workspace.uv, "pip", "install", "--python", venv / "bin" / "python", "--no-deps")
    options = argv("--link-mode", "hardlink", "-r", workspace.lock(service).requirements)
    workspace.prepare([*command, *options])


def _warm(workspace: Workspace, service: str) -> Callable[[Path], None]:
    def make(directory: Path) -> None:
        # UV-QUIRK(0.13): the cache has separate entries for a wheel from a pylock and from an index.
        workspace.prepare(argv(workspace.uv, "venv", "--python", workspace.python, directory))
        sync = [part for part in _sync(workspace, directory) if part != "--offline"]
        workspace.prepare([*sync, *_file(workspace, service, PYLOCK)])

    return make


def _sync(workspace: Workspace, venv: Path) -> list[str]:
    return argv(workspace.uv, "pip", "sync", "--offline", "--python", venv / "bin" / "python")


def _file(workspace: Workspace, service: str, lockfile_format: str) -> list[str]:
    lockfiles = workspace.lock(service)
    if lockfile_format == REQUIREMENTS:
        return argv(lockfiles.requirements)
    return argv("--preview-features", "pylock", lockfiles.pylock)
