"""The scenes of the product: what is done, from which state, and how it must end."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from . import product
from .cage import Command
from .faults import Fault
from .judge import Judge
from .product import NEW, OLD
from .scene import Scene
from .supervisor import run


def _scene(
    name: str,
    setup: Callable[[Path], object],
    judge: Judge,
    *,
    verb: Sequence[str] = ("apply",),
    seen: Sequence[str] = (OLD, NEW),
    absent: bool = False,
) -> Scene:
    def prepared(home: Path) -> None:
        product.lay_out(home)
        setup(home)

    def command(home: Path) -> Command:
        return product.command(home, *verb)

    return Scene(
        name=name,
        setup=prepared,
        command=command,
        check=judge,
        look=lambda home: product.look(home, seen, absent=absent),
        done=judge.done,
    )


def create() -> Scene:
    """The first apply, with packages that were fetched before."""

    def setup(home: Path) -> None:
        product.declare(home, NEW)
        warm(home)

    return _scene("create", setup, Judge(generations=1), seen=(NEW,), absent=True)


def warm(home: Path) -> None:
    """Fill the caches, by making the same thing elsewhere and taking it away again."""
    text = product.file(home).read_text()
    elsewhere = text.replace(str(product.published(home)), str(home / "elsewhere" / "app"))
    (home / "elsewhere").mkdir()
    product.file(home).write_text(elsewhere)
    product.apply(home)
    os.rename(home / "elsewhere", home / "tmp" / "elsewhere")
    product.file(home).write_text(text)


def update() -> Scene:
    """Another version of both packages."""

    def setup(home: Path) -> None:
        product.declare(home, OLD)
        product.apply(home)
        product.declare(home, NEW)

    return _scene("update", setup, Judge())


def repair() -> Scene:
    """A changed file, a missing one and a planted one are found and made good."""

    def setup(home: Path) -> None:
        product.declare(home, NEW)
        product.apply(home)
        damage(home)

    return _scene("repair", setup, Judge(), seen=(NEW,))


def damage(home: Path) -> None:
    """What a careless or hostile hand does inside the live generation."""
    alpha = next(product.published(home).glob("lib/python*/site-packages/alpha"))
    (alpha / "part1.py").write_text((alpha / "part1.py").read_text().replace("2.0", "6.6"))
    (alpha / "part2.py").unlink()
    (alpha.parent / "planted.py").write_text("")


def recovery(kind: str, at: int) -> Scene:
    """The run after one that was struck: it has to clear up, and is struck again."""

    def setup(home: Path) -> None:
        product.declare(home, OLD)
        product.apply(home)
        product.declare(home, NEW)
        fault = Fault(kind=kind, at=at)
        run(product.command(home, "apply"), roots=[home], decide=fault, writes=True)

    return _scene(f"recovery from a {kind} at {at}", setup, Judge())


SCENES = (create(), update(), repair(), *(recovery("kill", at) for at in (40, 120, 200)))
POWER = (create(), update(), repair())
WATCHED = (update(), repair())
