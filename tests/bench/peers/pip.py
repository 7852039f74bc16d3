"""pip in environments that virtualenv created, and the tools that Ansible and Salt need."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Case, argv
from tests.bench.peers import uv
from tests.bench.workspace import Workspace

NAME = "pip"


def cold(workspace: Workspace, service: str) -> Case:
    """Return the case of creating an environment with virtualenv and installing with pip."""
    venv = workspace.make_directory("pip") / "cold"
    wheels = wheelhouse(workspace, service)
    create = _virtualenv(workspace, venv)
    install = argv(venv / "bin" / "pip", "install", "--no-index", "--find-links", wheels)
    return Case(
        name=NAME,
        commands=[create, [*install, "--no-deps", *_pinned(workspace, service)]],
        before=lambda: shutil.rmtree(venv, ignore_errors=True),
    )


def no_op(workspace: Workspace, services: Sequence[str]) -> Case:
    """Return the case of requirements that are already satisfied."""
    commands = [
        argv(
            venv / "bin" / "pip", "install", "--no-index", "--no-deps", *_pinned(workspace, service)
        )
        for venv, service in zip(installed(workspace, services), services, strict=True)
    ]
    return Case(name=NAME, commands=commands, expected_output="already satisfied")


def installed(workspace: Workspace, services: Sequence[str]) -> list[Path]:
    """Return environments that contain pip and all packages."""

    def make(directory: Path) -> None:
        for number, service in enumerate(services):
            venv = directory / f"{number:03}"
            workspace.prepare(_virtualenv(workspace, venv))
            uv.fill(workspace, venv, service)

    directory = workspace.once(f"pip/{'+'.join(sorted(set(services)))}-{len(services)}", make)
    return [directory / f"{number:03}" for number in range(len(services))]


def wheelhouse(workspace: Workspace, service: str) -> Path:
    """Return a directory with the wheels of `service`, for installation without a network."""

    def make(directory: Path) -> None:
        venv = directory.with_name(f"{directory.name}-downloader")
        workspace.prepare(_virtualenv(workspace, venv))
        download = argv(venv / "bin" / "pip", "download", "--no-deps", "--only-binary", ":all:")
        workspace.prepare([*download, "--dest", str(directory), *_pinned(workspace, service)])

    return workspace.once(f"wheels/{service}", make)


def tool(workspace: Workspace, package: str) -> Path:
    """Return the `bin` directory of an environment with `package` and virtualenv."""

    def make(directory: Path) -> None:
        workspace.prepare(argv(workspace.uv, "venv", "--python", workspace.python, directory))
        install = argv(workspace.uv, "pip", "install", "--python", directory / "bin" / "python")
        workspace.prepare([*install, package, "virtualenv"])

    return workspace.once(f"tools/{package}", make) / "bin"


def _virtualenv(workspace: Workspace, venv: Path) -> list[str]:
    return argv(sys.executable, "-m", "virtualenv", "--python", workspace.python, venv)


def _pinned(workspace: Workspace, service: str) -> list[str]:
    return argv("-r", workspace.lock(service).requirements)
