"""converge as the benchmarks run it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import Case, argv
from tests.bench.workspace import Workspace

CONVERGE = "converge"
ONLY_DOWNLOADS = "converge, only downloads cached"


@dataclass(frozen=True, kw_only=True, slots=True)
class Declaration:
    """A declaration of some environments, and the directory that contains them."""

    file: Path
    venvs: Path


def declare(
    workspace: Workspace,
    name: str,
    services: Sequence[str],
    venvs: str = "",
    *,
    locked: bool = True,
) -> Declaration:
    """Write a declaration with one environment for each service, each with its own lockfile.

    Args:
        workspace: The workspace of this run.
        name: Name of the declaration.
        services: Keys of `SERVICES`.
        venvs: Name of the directory that contains the environments (default: `name`).
        locked: Whether to name the lockfile. Otherwise, name the requirements file.
    """
    directory = workspace.make_directory(f"converge/{name}")
    declaration = Declaration(
        file=directory / "declaration.toml",
        venvs=workspace.directory / "converge" / (venvs or name) / "venvs",
    )
    lines = ["[defaults]", f"python = {json.dumps(str(workspace.python))}"]
    for number, service in enumerate(services):
        # One copy each, because real environments don't share a lockfile.
        pylock = directory / f"pylock.{service}-{number:03}.toml"
        shutil.copyfile(workspace.lock(service).pylock, pylock)
        path = declaration.venvs / f"{service.removesuffix('-older')}-{number:03}"
        lines += [f"[venv.{json.dumps(path.name)}]", f"path = {json.dumps(str(path))}"]
        requirements = json.dumps([str(workspace.lock(service).requirements)])
        lines += [
            f"lock = {json.dumps(pylock.name)}" if locked else f"requirements = {requirements}"
        ]
    declaration.file.write_text("\n".join(lines) + "\n")
    return declaration


def no_op(
    workspace: Workspace,
    declaration: Declaration,
    verb: str = "apply",
    name: str = CONVERGE,
    options: Sequence[str] = (),
    prefix: Sequence[str] = (),
) -> Case:
    """Return the case of environments that match the declaration.

    Args:
        workspace: The workspace of this run.
        declaration: The declaration, which is applied now.
        verb: The command.
        name: Name of the case.
        options: Options of the command.
        prefix: A program that starts the command.
    """
    _apply(workspace, declaration)
    options = [*options, "--detailed-exitcode"] if verb == "apply" else options
    command = argv(*prefix, *workspace.converge, verb, *options, declaration.file)
    return Case(name=name, commands=[command])


def plan(workspace: Workspace, declaration: Declaration, name: str) -> Case:
    """Return the case of a plan without any environment. An earlier plan chose the versions."""
    command = argv(*workspace.converge, "plan", declaration.file)
    return Case(name=name, commands=[command], before=lambda: _clean(workspace, declaration))


def cold(workspace: Workspace, declaration: Declaration) -> Case:
    """Return the case of a cold build with everything that earlier builds cached."""
    return _change_case(workspace, declaration, lambda: _clean(workspace, declaration), CONVERGE)


def cold_without_caches(workspace: Workspace, declaration: Declaration) -> Case:
    """Return the case of a cold build with only the downloads cached."""

    def reset() -> None:
        _clean(workspace, declaration)
        cache = Path(workspace.environment["CONVERGE_CACHE_DIR"])
        for directory in set(cache.iterdir()) - {cache / "uv"}:
            shutil.rmtree(directory)

    return _change_case(workspace, declaration, reset, ONLY_DOWNLOADS)


def update(workspace: Workspace, before: Declaration, after: Declaration, name: str) -> Case:
    """Return the case of an update from one declaration to another of the same environments."""

    def reset() -> None:
        _clean(workspace, before)
        _apply(workspace, before)

    return _change_case(workspace, after, reset, name)


def repair(workspace: Workspace, declaration: Declaration, name: str) -> Case:
    """Return the case of an environment that lacks one module of its service."""

    def reset() -> None:
        _clean(workspace, declaration)
        _apply(workspace, declaration)
        for venv in declaration.venvs.glob("[!.]*"):
            next(venv.glob("lib/python*/site-packages/keystone/__init__.py")).unlink()

    return _change_case(workspace, declaration, reset, name)


def _change_case(
    workspace: Workspace, declaration: Declaration, before: Callable[[], None], name: str
) -> Case:
    command = argv(*workspace.converge, "apply", "--detailed-exitcode", declaration.file)
    return Case(name=name, commands=[command], before=before, exit_code=2)


def _apply(workspace: Workspace, declaration: Declaration) -> None:
    workspace.prepare(argv(*workspace.converge, "apply", declaration.file), workspace.environment)


def _clean(workspace: Workspace, declaration: Declaration) -> None:
    """Delete everything but the caches and the key that signs them."""
    if declaration.venvs.exists():
        shutil.rmtree(declaration.venvs)
    state = Path(workspace.environment["CONVERGE_STATE_DIR"])
    for directory in state.iterdir() if state.exists() else ():
        if directory.is_dir():
            shutil.rmtree(directory)
    declaration.venvs.mkdir(parents=True)
