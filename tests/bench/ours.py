"""`converge` as the benchmarks run it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import Case, argv
from tests.bench.setting import Setting

CONVERGE = "converge"
ONLY_DOWNLOADS = "converge, only downloads cached"


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """A declaration of some environments, and the folder that they are made in."""

    file: Path
    venvs: Path


def declare(setting: Setting, name: str, services: Sequence[str], venvs: str = "") -> Declared:
    """Declare one environment a service, below `venvs` (or `name`), each with a lock of its own."""
    folder = setting.make_folder(f"ours/{name}")
    made = Declared(
        file=folder / "declaration.toml", venvs=setting.folder / "ours" / (venvs or name) / "venvs"
    )
    lines = ["[defaults]", f"python = {json.dumps(str(setting.python))}"]
    for number, service in enumerate(services):
        # A copy each: in life no two environments share the file.
        pylock = folder / f"pylock.{service}-{number:03}.toml"
        shutil.copyfile(setting.lock(service).pylock, pylock)
        path = made.venvs / f"{service.removesuffix('-older')}-{number:03}"
        lines += [f"[venv.{path.name}]", f"path = {json.dumps(str(path))}"]
        lines += [f"lock = {json.dumps(pylock.name)}"]
    made.file.write_text("\n".join(lines) + "\n")
    return made


def no_op(setting: Setting, declared: Declared, verb: str = "apply", name: str = CONVERGE) -> Case:
    """Run over environments that already are what is declared."""
    _apply(setting, declared)
    options = ["--detailed-exitcode"] if verb == "apply" else []
    return Case(name=name, commands=[argv(*setting.converge, verb, *options, declared.file)])


def cold(setting: Setting, declared: Declared) -> Case:
    """Build everything from nothing, with all that the cache remembers of earlier builds."""
    return _changing(setting, declared, lambda: _clean(setting, declared), CONVERGE)


def colder(setting: Setting, declared: Declared) -> Case:
    """Build everything from nothing, when no more than the downloads is remembered."""

    def start() -> None:
        _clean(setting, declared)
        cache = Path(setting.environment["CONVERGE_CACHE_DIR"])
        for folder in set(cache.iterdir()) - {cache / "uv"}:
            shutil.rmtree(folder)

    return _changing(setting, declared, start, ONLY_DOWNLOADS)


def update(setting: Setting, before: Declared, after: Declared, name: str) -> Case:
    """Go from one declaration, freshly built, to another of the same environments."""

    def start() -> None:
        _clean(setting, before)
        _apply(setting, before)

    return _changing(setting, after, start, name)


def _changing(setting: Setting, declared: Declared, before: Callable[[], None], name: str) -> Case:
    command = argv(*setting.converge, "apply", "--detailed-exitcode", declared.file)
    return Case(name=name, commands=[command], before=before, exit_code=2)


def _apply(setting: Setting, declared: Declared) -> None:
    setting.prepare(argv(*setting.converge, "apply", declared.file), setting.environment)


def _clean(setting: Setting, declared: Declared) -> None:
    """Forget everything but the caches, and the key with which what they hold is signed."""
    if declared.venvs.exists():
        shutil.rmtree(declared.venvs)
    state = Path(setting.environment["CONVERGE_STATE_DIR"])
    for folder in state.iterdir() if state.exists() else ():
        if folder.is_dir():
            shutil.rmtree(folder)
    declared.venvs.mkdir(parents=True)
