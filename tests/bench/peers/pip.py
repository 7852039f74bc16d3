"""pip in environments that virtualenv created, and the tools that Ansible and Salt need."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Case, argv
from tests.bench.peers import uv
from tests.bench.workspace import Workspace

NAME = "pip"


def cold(workspace: Workspace, services: Sequence[str]) -> Case:
    """Return the case of creating environments with virtualenv and installing with pip."""
    directory = workspace.make_directory("pip") / "cold"
    wheels = wheelhouse(workspace, services)
    commands = []
    for number, service in enumerate(services):
        venv = directory / f"{number:03}"
        commands.append(_virtualenv(workspace, venv))
        install = argv(venv / "bin" / "pip", "install", "--no-index", "--find-links", wheels)
        commands.append([*install, "--no-deps", *_pinned(workspace, service)])
    return Case(
        name=NAME,
        commands=commands,
        before=lambda: shutil.rmtree(directory, ignore_errors=True),
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


def wheelhouse(workspace: Workspace, services: Sequence[str]) -> Path:
    """Return a directory with the wheels of services, for installation without a network."""
    names = sorted(set(services))

    def make(directory: Path) -> None:
        venv = directory.with_name(f"{directory.name}-downloader")
        workspace.prepare(_virtualenv(workspace, venv))
        download = argv(venv / "bin" / "pip", "download", "--no-deps", "--only-binary", ":all:")
        lockfiles = [workspace.lock(name).requirements.read_text() for name in names]
        for number, text in enumerate(_merged(lockfiles)):
            requirements = directory.with_name(f"{directory.name}-{number}.txt")
            requirements.write_text(text)
            workspace.prepare([*download, "--dest", str(directory), "-r", str(requirements)])

    name = names[0] if len(names) == 1 else f"{len(names)}-{names[0]}"
    return workspace.once(f"wheels/{name}", make)


def _merged(lockfiles: Sequence[str]) -> list[str]:
    """Merge lockfiles. Each result has one version of a package, because pip accepts no more."""
    pinned = re.compile(r"^([\w.-]+)==.*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
    versions: dict[str, list[str]] = {}
    for match in (match for text in lockfiles for match in pinned.finditer(text)):
        pins = versions.setdefault(match[1], [])
        pin = re.sub(r"^ *#.*\n", "", match[0], flags=re.MULTILINE)
        if pin not in pins:
            pins.append(pin)
    count = max(map(len, versions.values()))
    return ["".join(pins[n] for pins in versions.values() if n < len(pins)) for n in range(count)]


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
