"""Scenarios of the kind `global`: an apply removes packages, and a rollback restores them."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.integration.interpreters import private_interpreter
from tests.support.wheels import make_wheel

from . import product
from .checker import second_apply_changes
from .sandbox import Command
from .scenario import Scenario
from .supervisor import Outcome, run

_ADDRESS: Final = "global.sample"
_ALLOWED: Final = "beta"


def remove() -> Scenario:
    """An apply removes a package with a program, and an entry of no package. Another one stays."""

    def check(home: Path, outcome: Outcome) -> Sequence[str]:
        violations = _not_removed(home) if outcome.code == 0 else []
        apply = run(product.command(home, "apply"))
        if apply.code != 0:
            return [*violations, f"the next apply failed: {product.last_output(apply)}"]
        violations += _not_removed(home)
        violations += second_apply_changes(home)
        rollback = run(_rollback(home))
        if rollback.code != 0:
            return [*violations, f"the rollback failed: {product.last_output(rollback)}"]
        return [*violations, *_not_restored(home)]

    return Scenario(
        name="global remove",
        setup=_create,
        command=lambda home: product.command(home, "apply"),
        check=check,
        published_error=_lost,
        missing_result=_not_removed,
    )


def rollback() -> Scenario:
    """A rollback restores what an apply removed."""

    def setup(home: Path) -> None:
        _create(home)
        product.run_ok(home, "apply")

    def check(home: Path, outcome: Outcome) -> Sequence[str]:
        violations = _not_restored(home) if outcome.code == 0 else []
        apply = run(product.command(home, "apply"))
        if apply.code != 0:
            return [*violations, f"the next apply failed: {product.last_output(apply)}"]
        if _not_restored(home) and _not_removed(home):
            violations.append("after the next apply, the packages are a mix")
        violations += second_apply_changes(home)
        retry = run(_rollback(home)) if _not_restored(home) else None
        if retry is not None and retry.code != 0:
            return [*violations, f"the retry failed: {product.last_output(retry)}"]
        return [*violations, *_not_restored(home)]

    return Scenario(
        name="global rollback",
        setup=setup,
        command=_rollback,
        check=check,
        published_error=_lost,
        missing_result=_not_restored,
    )


def _rollback(home: Path) -> Command:
    return product.command(home, "rollback", venv=_ADDRESS)


def _create(home: Path) -> None:
    """Create an interpreter with two packages, and a declaration that allows one of them."""
    for name in ("tmp", "user"):
        (home / name).mkdir()
    executable = private_interpreter(home / "prefix", product.base_python())
    site = _site(home)
    for name in ("alpha", _ALLOWED):
        wheel = make_wheel(home / "wheels", name, "1.0", files={f"{name}/data/x.txt": name})
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    program = home / "prefix/bin/alpha"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with (site / "alpha-1.0.dist-info/RECORD").open("a") as record:
        record.write("../../../bin/alpha,,\n")
    (site / "stray.py").write_text("stray = 1\n")
    product.declaration(home).write_text(
        f'[{_ADDRESS}]\npython = "{executable}"\nallow = ["{_ALLOWED}"]\n'
    )


def _site(home: Path) -> Path:
    return next((home / "prefix/lib").glob("python*/site-packages"))


def _unwanted(home: Path) -> Mapping[str, str]:
    """Return the content of each file that is removed and restored, by its path."""
    site = f"{_site(home)}"
    return {
        f"{site}/alpha/__init__.py": '__version__ = "1.0"\n',
        f"{site}/alpha/data/x.txt": "alpha",
        f"{site}/stray.py": "stray = 1\n",
        f"{home}/prefix/bin/alpha": "#!/bin/sh\n",
    }


def _store(home: Path) -> Path:
    return _site(home).parent / ".site-packages"


def _lost(home: Path) -> str | None:
    """Return a violation if a file is neither at its path nor in the store, or one changed."""
    kept = _site(home) / _ALLOWED / "data/x.txt"
    if not kept.exists() or kept.read_text() != _ALLOWED:
        return "the allowed package was changed"
    for path, content in _unwanted(home).items():
        copies = [Path(path), *_store(home).glob(f"removals/*/files{path}")]
        copies += _store(home).glob(f"trash-*/files{path}")
        if [copy.read_text() for copy in copies if copy.exists()] != [content]:
            return f"lost or duplicated: {path}"
    return None


def _not_removed(home: Path) -> list[str]:
    error = _lost(home)
    remaining = [path for path in _unwanted(home) if os.path.lexists(path)]
    return [*([error] if error else []), *(f"not removed: {path}" for path in remaining)]


def _not_restored(home: Path) -> list[str]:
    error = _lost(home)
    missing = [path for path in _unwanted(home) if not os.path.lexists(path)]
    if not missing and os.stat(home / "prefix/bin/alpha").st_mode & 0o777 != 0o755:
        missing = ["the permissions of the program"]
    return [*([error] if error else []), *(f"not restored: {path}" for path in missing)]


SCENARIOS: Final = (remove(), rollback())
