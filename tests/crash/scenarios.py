"""The scenes of the product: what is done, from which state, and how it must end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import product
from .cage import Command
from .faults import Fault
from .installers import PACKAGES, uv
from .judge import Judge
from .product import NEW, NEXT, OLD
from .scene import Scene
from .supervisor import run


def _scene(
    name: str,
    setup: Callable[[Path], object],
    judge: Judge,
    *,
    seen: Sequence[str] = (OLD, NEW),
    absent: bool = False,
) -> Scene:
    def prepared(home: Path) -> None:
        product.lay_out(home)
        setup(home)

    return Scene(
        name=name,
        setup=prepared,
        command=judge.repeat or (lambda home: product.command(home, "apply")),
        check=judge,
        look=lambda home: product.look(home, seen, absent=absent) or product.forgotten(home),
        done=judge.done,
    )


def create() -> Scene:
    """The first apply, with packages that were fetched before."""

    def setup(home: Path) -> None:
        product.declare(home, NEW)
        text = product.file(home).read_text()
        elsewhere = home / "elsewhere"
        elsewhere.mkdir()
        product.file(home).write_text(text.replace(str(home / "srv"), str(elsewhere)))
        product.apply(home)
        shutil.rmtree(elsewhere)
        shutil.rmtree(home / "state")
        product.file(home).write_text(text)

    return _scene("create", setup, Judge(generations=1), seen=(NEW,), absent=True)


def update() -> Scene:
    """Another version of both packages."""

    def setup(home: Path) -> None:
        product.apply(home, OLD)
        product.declare(home, NEW)

    return _scene("update", setup, Judge())


def repair() -> Scene:
    """A changed file, a missing one and a planted one are found and made good."""

    def setup(home: Path) -> None:
        product.apply(home, NEW)
        damage(home)

    return _scene("repair", setup, Judge(), seen=(NEW,))


def damage(home: Path) -> None:
    """What a careless or hostile hand does inside the live generation."""
    alpha = next(product.published(home).glob("lib/python*/site-packages/alpha"))
    (alpha / "part1.py").write_text((alpha / "part1.py").read_text().replace("2.0", "6.6"))
    (alpha / "part2.py").unlink()
    (alpha.parent / "planted.py").write_text("")


def rollback() -> Scene:
    """Back to the generation before."""

    def setup(home: Path) -> None:
        product.apply(home, OLD)
        product.apply(home, NEW)

    def command(home: Path) -> Command:
        return product.command(home, "rollback", of="app")

    return _scene("rollback", setup, Judge(version=OLD, between=(NEW,), repeat=command))


def gc() -> Scene:
    """Two former generations are collected."""

    def setup(home: Path) -> None:
        for version in (OLD, NEW, NEXT):
            product.apply(home, version, venv="keep = 2")

    def command(home: Path) -> Command:
        return product.command(home, "gc", "--keep", "0")

    def rest(home: Path) -> Sequence[str]:
        found = sorted(path.name for path in (product.store(home) / "generations").iterdir())
        return [] if len(found) == 1 else [f"{len(found)} generations are there"]

    judge = Judge(version=NEXT, generations=1, repeat=command, extra=rest)
    return _scene("gc", setup, judge, seen=(NEXT,))


def adopt() -> Scene:
    """A venv of another tool's making is taken over."""
    return _scene("adopt", _foreign, Judge())


def give_back() -> Scene:
    """What was adopted is put back where it was."""

    def setup(home: Path) -> None:
        _foreign(home)
        product.apply(home)

    def command(home: Path) -> Command:
        return product.command(home, "rollback", of="app")

    judge = Judge(version=OLD, generations=1, between=(NEW,), repeat=command, verified=1)
    return _scene("give back", setup, judge)


def _foreign(home: Path) -> None:
    """A venv of another tool's making, that a declaration wants to take over."""
    python = str(product.published(home) / "bin" / "python")
    bare = [sys.executable, "-m", "venv", "--without-pip", str(product.published(home))]
    subprocess.run(bare, check=True)
    tool = uv()
    assert tool is not None
    wanted = [f"{name}=={OLD}" for name in PACKAGES]
    install = [tool, "pip", "install", "-q", "--no-cache", "--no-index", "--python", python]
    found = ["--find-links", str(home / "wheels"), *wanted]
    subprocess.run([*install, *found], check=True)
    product.declare(home, NEW, venv="adopt = true")


def link() -> Scene:
    """A link beside the venv is made to lead to another script."""

    def setup(home: Path) -> None:
        (home / "bin").mkdir()
        product.apply(home, NEW, rest=_link(home, "alpha"))
        product.declare(home, NEW, rest=_link(home, "beta"))

    def leads(home: Path) -> Sequence[str]:
        target = os.readlink(home / "bin" / "tool")
        return [] if target.endswith("/bin/beta") else [f"the link leads to {target}"]

    def look(home: Path) -> str | None:
        there = (home / "bin" / "tool").exists()
        return product.look(home, [NEW]) if there else "the link leads nowhere"

    base = _scene("link swap", setup, Judge(extra=leads))
    return Scene(
        name=base.name,
        setup=base.setup,
        command=base.command,
        check=base.check,
        look=look,
        done=base.done,
    )


def _link(home: Path, script: str) -> str:
    return f'[link."{home}/bin/tool"]\nto = "venv.app:bin/{script}"\n'


def command() -> Scene:
    """A command follows each change of the venv: it may run twice, never not at all."""

    def note(home: Path) -> str:
        # What a command does is its own to flush, before it says that it is done.
        script = f"readlink {product.published(home)} >> {home}/ran && sync {home}/ran"
        words = ["/bin/sh", "-c", script]
        listed = ", ".join(f'"{word}"' for word in words)
        return f'[command.note]\nargv = [{listed}]\non-change = ["venv.app"]\n'

    def setup(home: Path) -> None:
        product.apply(home, OLD, rest=note(home))
        product.declare(home, NEW, rest=note(home))

    def ran(home: Path) -> Sequence[str]:
        # Killed while it writes, it leaves half a line, and goes on behind that.
        told = (home / "ran").read_text()
        live = os.readlink(product.published(home))
        return [] if told.endswith(f"{live}\n") else [f"live is {live}, the command told {told!r}"]

    return _scene("command", setup, Judge(extra=ran))


def remove() -> Scene:
    """A venv that is declared absent goes, with its store."""

    def setup(home: Path) -> None:
        product.apply(home, OLD)
        product.declare(home, OLD, venv='state = "absent"')

    def traces(home: Path) -> Sequence[str]:
        left = sorted({path.name for path in (home / "srv").iterdir()} - {"neighbour"})
        return [f"left over: {left}"] if left else []

    return _scene("remove", setup, Judge(version="", extra=traces), seen=(OLD,), absent=True)


def recovery(kind: str, at: int) -> Scene:
    """The run after one that was struck: it has to clear up, and is struck again."""

    def setup(home: Path) -> None:
        product.apply(home, OLD)
        product.declare(home, NEW)
        fault = Fault(kind=kind, at=at)
        run(product.command(home, "apply"), roots=[home], decide=fault, writes=True)

    return _scene(f"recovery from a {kind} at {at}", setup, Judge())


SCENES = (
    *(create(), update(), repair(), rollback(), gc(), adopt(), give_back()),
    *(link(), command(), remove()),
    recovery("kill", 250),
)
RECOVERIES = tuple(recovery("kill", at) for at in range(20, 380, 40))
"""For the full sweep: a kill inside the run that follows a kill, all over the first one."""

POWER = (create(), update(), repair(), rollback(), command())
IN_AN_IMAGE = (update(), repair(), rollback(), gc(), remove())
"""Where what was there before lies in a layer below, as in a container."""
WATCHED = (update(), repair(), rollback(), gc(), command())
