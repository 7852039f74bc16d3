"""uv: `uv pip sync`, once for each environment."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.measure import Case, Command, argv
from tests.bench.setting import Setting

REQUIREMENTS = "uv, requirements"
PYLOCK = "uv, pylock"


def no_op(setting: Setting, services: Sequence[str], spelling: str) -> Case:
    """Sync environments in which nothing is to be done; uv looks at no file in them."""
    folder = setting.once(
        f"uv/{'+'.join(sorted(set(services)))}-{len(services)}", _many(setting, services)
    )
    commands = [
        [*_sync(setting, folder / f"{number:03}"), *_file(setting, service, spelling)]
        for number, service in enumerate(services)
    ]
    return Case(name=spelling, commands=commands, says="Checked")


def cold(setting: Setting, services: Sequence[str]) -> Case:
    """Create and fill environments in a loop, copied and compiled, from a warm cache."""
    folder = setting.make_folder("uv/cold")
    commands: list[Command] = []
    for number, service in enumerate(services):
        venv = folder / f"{number:03}"
        setting.once(f"uv/warm-{service}", _warm(setting, service))
        commands.append(argv(setting.uv, "venv", "--python", setting.python, venv))
        how = ["--link-mode", "copy", "--compile-bytecode"]
        commands.append([*_sync(setting, venv), *how, *_file(setting, service, PYLOCK)])
    return Case(name=PYLOCK, commands=commands, before=lambda: shutil.rmtree(folder))


def _many(setting: Setting, services: Sequence[str]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for number, service in enumerate(services):
            fill(setting, folder / f"{number:03}", service)

    return make


def fill(setting: Setting, venv: Path, service: str) -> None:
    """Install what `service` locks into `venv`, which is made unless it is there; not timed."""
    if not venv.exists():
        setting.prepare(argv(setting.uv, "venv", "--python", setting.python, venv))
    command = argv(setting.uv, "pip", "install", "--python", venv / "bin" / "python", "--no-deps")
    how = argv("--link-mode", "hardlink", "-r", setting.lock(service).requirements)
    setting.prepare([*command, *how])


def _warm(setting: Setting, service: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        # The cache knows a wheel of a pylock by its URL, apart from the same one of an index.
        setting.prepare(argv(setting.uv, "venv", "--python", setting.python, folder))
        sync = [part for part in _sync(setting, folder) if part != "--offline"]
        setting.prepare([*sync, *_file(setting, service, PYLOCK)])

    return make


def _sync(setting: Setting, venv: Path) -> list[str]:
    return argv(setting.uv, "pip", "sync", "--offline", "--python", venv / "bin" / "python")


def _file(setting: Setting, service: str, spelling: str) -> list[str]:
    lock = setting.lock(service)
    if spelling == REQUIREMENTS:
        return argv(lock.requirements)
    return argv("--preview-features", "pylock", lock.pylock)
