"""Scenarios of a wheelhouse: an apply fetches wheels, builds one, and publishes the index."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from tests.support.projects import make_sdist

from . import product
from .checker import second_apply_changes
from .installers import PACKAGES
from .product import NEW, OLD
from .sandbox import Command
from .scenario import Scenario
from .supervisor import Outcome, run

_BUILT: Final = "native"
"""The project that has no wheel."""


def create() -> Scenario:
    """The first apply fetches two wheels and builds one."""

    def setup(home: Path) -> None:
        create_host(home)
        declare(home, NEW)

    return _scenario("wheelhouse create", setup, (NEW,), absent=True)


def update() -> Scenario:
    """An apply publishes other versions. It needs the built wheel of the previous one again."""

    def setup(home: Path) -> None:
        create_host(home)
        declare(home, OLD)
        product.run_ok(home, "apply")
        declare(home, NEW)

    return _scenario("wheelhouse update", setup, (OLD, NEW))


def create_host(home: Path) -> None:
    product.create_host(home)
    make_sdist(home / "wheels", _BUILT, "1.0")


def published(home: Path) -> Path:
    return home / "srv" / "house"


def declare(home: Path, version: str) -> None:
    """Declare a wheelhouse for a venv that isn't applied: `state` of another table is enough."""
    packages = ", ".join(f'"{name}=={version}"' for name in PACKAGES)
    product.declaration(home).write_text(
        f'[venv.app]\npath = "{product.published(home)}"\npython = "{product.base_python()}"\n'
        f'packages = [{packages}, "{_BUILT}"]\nfind-links = ["wheels"]\nno-index = true\n'
        f'[wheelhouse.main]\npath = "{published(home)}"\nkeep = 1\n'
    )


def command(home: Path) -> Command:
    return product.command(home, "apply", "--only", "wheelhouse.main")


def _scenario(
    name: str, setup: Callable[[Path], None], allowed: Sequence[str], *, absent: bool = False
) -> Scenario:
    """Return a scenario.

    Args:
        name: Its name.
        setup: Creates the initial state.
        allowed: The versions that may be published at any moment.
        absent: Whether the published path may be missing.
    """

    def published_error(home: Path) -> str | None:
        if absent and not os.path.lexists(published(home)):
            return None
        return index_error(published(home), allowed)

    def missing_result(home: Path) -> Sequence[str]:
        error = index_error(published(home), (NEW,))
        return [error] if error else []

    def check(home: Path, outcome: Outcome) -> Sequence[str]:
        violations = []
        if outcome.code == 0:
            violations += [f"reported success, but {text}" for text in missing_result(home)]
        again = run(command(home))
        if again.code != 0:
            error = f"the next apply exited with {again.code}: {product.last_output(again)}"
            return [*violations, error]
        violations += [f"after the next apply: {text}" for text in missing_result(home)]
        violations += second_apply_changes(home, "--only", "wheelhouse.main")
        return [*violations, *_unfinished(home)]

    return Scenario(
        name=name,
        setup=setup,
        command=command,
        check=check,
        published_error=published_error,
        missing_result=missing_result,
        entries=finished_wheels,
    )


def index_error(house: Path, allowed: Sequence[str]) -> str | None:
    """Return what is wrong with a published index, or None.

    Args:
        house: The published path.
        allowed: The versions of the fetched packages, all of which have the same one.
    """
    try:
        names = json.loads((house / "simple/index.json").read_text())["projects"]
        versions = set()
        for name in [row["name"] for row in names]:
            page = json.loads((house / f"simple/{name}/index.json").read_text())
            html = (house / f"simple/{name}/index.html").read_text()
            for file in page["files"]:
                wheel = house / "simple" / name / file["url"]
                digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
                if digest != file["hashes"]["sha256"] or digest not in html:
                    return f"{file['filename']} doesn't match its page"
                Path(f"{wheel}.metadata").read_bytes()
            if name != _BUILT:
                versions.update(page["versions"])
        (house / "locks/pylock.app.toml").read_bytes()
    except (OSError, ValueError) as error:
        return repr(error)
    expected = sorted([*PACKAGES, _BUILT])
    if sorted(row["name"] for row in names) != expected or len(versions) != 1:
        return f"the index lists {names} with the versions {versions}"
    return None if versions <= {*allowed} else f"the index lists the version {versions}"


def finished_wheels(home: Path) -> Collection[str]:
    """Return the names of the complete wheels in the store."""
    return {path.parent.name for path in (home / "srv/.house/wheels").glob("*/wheel.json")}


def _unfinished(home: Path) -> list[str]:
    """Return violations for the files that a finished run should have removed from the store."""
    store = home / "srv" / ".house"
    prefixes = ("trash-", "next-", ".next-")
    entries = [path.name for path in store.iterdir() if path.name.startswith(prefixes)]
    entries += [
        path.name
        for path in (store / "generations").iterdir()
        if not (path / product.METADATA_DIR / "receipt.json").exists()
    ]
    entries += [
        path.name for path in (store / "wheels").iterdir() if not (path / "wheel.json").exists()
    ]
    return [f"unfinished: {name}" for name in sorted(entries)]


SCENARIOS: Final = (create(), update())
