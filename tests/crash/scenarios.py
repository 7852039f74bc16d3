"""The scenarios of converge: the initial state, the command to interrupt, and the final state."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from . import product
from .checker import Checker
from .faults import Fault
from .host_scenario import host_scenario
from .installers import PACKAGES, find_uv
from .product import NEW, NEXT, OLD
from .sandbox import Command
from .scenario import Scenario
from .supervisor import run


def create() -> Scenario:
    """The first apply installs packages that are already in the cache."""

    def setup(home: Path) -> None:
        product.declare(home, NEW)
        text = product.declaration(home).read_text()
        other_directory = home / "elsewhere"
        other_directory.mkdir()
        product.declaration(home).write_text(text.replace(str(home / "srv"), str(other_directory)))
        product.apply(home)
        shutil.rmtree(other_directory)
        shutil.rmtree(home / "state")
        product.declaration(home).write_text(text)

    return host_scenario("create", setup, Checker(generations=1), allowed=(NEW,), absent=True)


def update() -> Scenario:
    """An apply updates both packages, a declared file, and a declared symlink to it."""

    def setup(home: Path) -> None:
        product.apply(home, OLD, venv_options=_files(OLD))
        product.declare(home, NEW, venv_options=_files(NEW))

    def wrong_file(home: Path) -> Sequence[str]:
        version = (product.published(home) / "etc/link").read_text()
        return [] if version == NEW else [f"the declared file contains {version!r}"]

    return host_scenario("update", setup, Checker(extra_check=wrong_file))


def _files(version: str) -> str:
    return (
        f'files."{{site-packages}}/alpha/part1.py".content = "{version}"\n'
        'files."etc/link".link = "{site-packages}/alpha/part1.py"'
    )


def repair() -> Scenario:
    """An apply repairs a modified file, a missing file, and an added file."""

    def setup(home: Path) -> None:
        product.apply(home, NEW)
        damage(home)

    return host_scenario("repair", setup, Checker(), allowed=(NEW,))


def damage(home: Path) -> None:
    """Modify, delete, and add a file in the live generation."""
    alpha = next(product.published(home).glob("lib/python*/site-packages/alpha"))
    (alpha / "part1.py").write_text((alpha / "part1.py").read_text().replace("2.0", "6.6"))
    (alpha / "part2.py").unlink()
    (alpha.parent / "planted.py").write_text("")


def rollback() -> Scenario:
    """A rollback switches back to the previous generation."""

    def setup(home: Path) -> None:
        product.apply(home, OLD)
        product.apply(home, NEW)

    checker = Checker(version=OLD, intermediate=(NEW,), retry=_rollback)
    return host_scenario("rollback", setup, checker)


def _rollback(home: Path) -> Command:
    return product.command(home, "rollback", venv="app")


def gc() -> Scenario:
    """A gc deletes two previous generations."""

    def setup(home: Path) -> None:
        for version in (OLD, NEW, NEXT):
            product.apply(home, version, venv_options="keep = 2")

    def command(home: Path) -> Command:
        return product.command(home, "gc", "--keep", "0")

    def extra_generations(home: Path) -> Sequence[str]:
        generations = list((product.store(home) / "generations").iterdir())
        return [] if len(generations) == 1 else [f"{len(generations)} generations exist"]

    checker = Checker(version=NEXT, generations=1, retry=command, extra_check=extra_generations)
    return host_scenario("gc", setup, checker, allowed=(NEXT,))


def adopt() -> Scenario:
    """An apply takes over a venv that another tool created."""
    return host_scenario("adopt", _create_foreign_venv, Checker())


def restore_adopted() -> Scenario:
    """A rollback restores the adopted backup."""

    def setup(home: Path) -> None:
        _create_foreign_venv(home)
        product.apply(home)

    checker = Checker(
        version=OLD, generations=1, intermediate=(NEW,), retry=_rollback, verify_exit_code=1
    )
    return host_scenario("restore adopted", setup, checker)


def _create_foreign_venv(home: Path) -> None:
    """Create a venv with another tool, and a declaration that adopts it."""
    python = str(product.published(home) / "bin" / "python")
    create_venv = [sys.executable, "-m", "venv", "--without-pip", str(product.published(home))]
    subprocess.run(create_venv, check=True)
    uv = find_uv()
    assert uv is not None
    requirements = [f"{name}=={OLD}" for name in PACKAGES]
    install = [uv, "pip", "install", "-q", "--no-cache", "--no-index", "--python", python]
    subprocess.run([*install, "--find-links", str(home / "wheels"), *requirements], check=True)
    product.declare(home, NEW, venv_options="adopt = true")


def link() -> Scenario:
    """An apply changes the target of a link to another script of the venv."""

    def setup(home: Path) -> None:
        (home / "bin").mkdir()
        product.apply(home, NEW, resources=_link_table(home, "alpha"))
        product.declare(home, NEW, resources=_link_table(home, "beta"))

    def wrong_target(home: Path) -> Sequence[str]:
        target = os.readlink(home / "bin" / "tool")
        return [] if target.endswith("/bin/beta") else [f"the link points to {target}"]

    def published_error(home: Path) -> str | None:
        if (home / "bin" / "tool").exists():
            return product.published_error(home, [NEW])
        return "the link's target doesn't exist"

    scenario = host_scenario("link update", setup, Checker(extra_check=wrong_target))
    return replace(scenario, published_error=published_error)


def _link_table(home: Path, script: str) -> str:
    return f'[link."{home}/bin/tool"]\nto = "venv.app:bin/{script}"\n'


def command() -> Scenario:
    """A command runs after each change of the venv. It may run twice, but must run."""

    def command_table(home: Path) -> str:
        # converge doesn't sync what a command writes. The command does so before it succeeds.
        script = f"readlink {product.published(home)} >> {home}/log && sync {home}/log"
        argv = ", ".join(f'"{argument}"' for argument in ("/bin/sh", "-c", script))
        return f'[command.log]\nargv = [{argv}]\non-change = ["venv.app"]\n'

    def setup(home: Path) -> None:
        product.apply(home, OLD, resources=command_table(home))
        product.declare(home, NEW, resources=command_table(home))

    def command_missed(home: Path) -> Sequence[str]:
        # A kill during the write leaves half a line. The next run appends to it.
        log = (home / "log").read_text()
        live = os.readlink(product.published(home))
        if log.endswith(f"{live}\n"):
            return []
        return [f"{live} is live, but the command recorded {log!r}"]

    return host_scenario("command", setup, Checker(extra_check=command_missed))


def remove() -> Scenario:
    """An apply deletes a venv that is declared absent, and its store."""

    def setup(home: Path) -> None:
        product.apply(home, OLD)
        product.declare(home, OLD, venv_options='state = "absent"')

    def remaining_files(home: Path) -> Sequence[str]:
        remaining = sorted({path.name for path in (home / "srv").iterdir()} - {"neighbour"})
        return [f"not deleted: {remaining}"] if remaining else []

    checker = Checker(version="", extra_check=remaining_files)
    return host_scenario("remove", setup, checker, allowed=(OLD,), absent=True)


def recovery(kind: str, at: int) -> Scenario:
    """An apply cleans up after an interrupted one, and is itself interrupted."""

    def setup(home: Path) -> None:
        product.apply(home, OLD)
        product.declare(home, NEW)
        fault = Fault(kind=kind, at=at)
        run(product.command(home, "apply"), roots=[home], decide=fault, writes=True)

    return host_scenario(f"recovery from a {kind} at {at}", setup, Checker())


SCENARIOS = (
    *(create(), update(), repair(), rollback(), gc(), adopt(), restore_adopted()),
    *(link(), command(), remove()),
    recovery("kill", 250),
)
RECOVERIES = tuple(recovery("kill", at) for at in range(20, 380, 40))
"""For the full sweep: a kill in the run that follows a kill, at various points of the first run."""

POWER_CUT = (create(), update(), repair(), rollback(), command())
IN_CONTAINER = (update(), repair(), rollback(), gc(), remove())
"""Scenarios whose initial state is a read-only layer, as in a container."""
OBSERVED = (update(), repair(), rollback(), gc(), command())
"""Scenarios in which a test checks the published path before each call."""
