"""pip in environments made by virtualenv, and what Ansible and Salt need to run it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Case, argv
from tests.bench.peers import uv
from tests.bench.setting import Setting

NAME = "pip"


def cold(setting: Setting, service: str) -> Case:
    """Create one environment with virtualenv and fill it with pip, from a folder of wheels."""
    venv = setting.make_folder("pip") / "cold"
    wheels = wheelhouse(setting, service)
    create = _virtualenv(setting, venv)
    install = argv(venv / "bin" / "pip", "install", "--no-index", "--find-links", wheels)
    return Case(
        name=NAME,
        commands=[create, [*install, "--no-deps", *_pinned(setting, service)]],
        before=lambda: shutil.rmtree(venv, ignore_errors=True),
    )


def no_op(setting: Setting, services: Sequence[str]) -> Case:
    """Let pip find that every requirement is satisfied already."""
    commands = [
        argv(venv / "bin" / "pip", "install", "--no-index", "--no-deps", *_pinned(setting, service))
        for venv, service in zip(filled(setting, services), services, strict=True)
    ]
    return Case(name=NAME, commands=commands, says="already satisfied")


def filled(setting: Setting, services: Sequence[str]) -> list[Path]:
    """Return environments with a pip of their own in which everything is installed already."""

    def make(folder: Path) -> None:
        for number, service in enumerate(services):
            venv = folder / f"{number:03}"
            setting.prepare(_virtualenv(setting, venv))
            uv.fill(setting, venv, service)

    folder = setting.once(f"pip/{'+'.join(sorted(set(services)))}-{len(services)}", make)
    return [folder / f"{number:03}" for number in range(len(services))]


def wheelhouse(setting: Setting, service: str) -> Path:
    """Return a folder with the wheels of `service`, so that nobody needs the network."""

    def make(folder: Path) -> None:
        venv = folder.with_name(f"{folder.name}-downloader")
        setting.prepare(_virtualenv(setting, venv))
        download = argv(venv / "bin" / "pip", "download", "--no-deps", "--only-binary", ":all:")
        setting.prepare([*download, "--dest", str(folder), *_pinned(setting, service)])

    return setting.once(f"wheels/{service}", make)


def tool(setting: Setting, package: str) -> Path:
    """Return the `bin` of an environment that holds `package` and virtualenv."""

    def make(folder: Path) -> None:
        setting.prepare(argv(setting.uv, "venv", "--python", setting.python, folder))
        install = argv(setting.uv, "pip", "install", "--python", folder / "bin" / "python")
        setting.prepare([*install, package, "virtualenv"])

    return setting.once(f"tools/{package}", make) / "bin"


def _virtualenv(setting: Setting, venv: Path) -> list[str]:
    return argv(sys.executable, "-m", "virtualenv", "--python", setting.python, venv)


def _pinned(setting: Setting, service: str) -> list[str]:
    return argv("-r", setting.lock(service).requirements)
