"""What is kept to be faster may be damaged or forged: what is built from it is right, or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from . import product, scenarios
from .judge import Judge
from .product import NEW
from .supervisor import Outcome, run
from .test_bytes import spoil
from .test_surroundings import content

pytestmark = pytest.mark.usefixtures("caged", "runnable")


@pytest.mark.parametrize("way", ["cut", "zero", "flip", "missing"])
@pytest.mark.parametrize("what", ["uv", "bytecode"])
def test_a_damaged_cache_spoils_nothing_that_is_built_from_it(
    what: str, way: str, workspace: Path
) -> None:
    product.lay_out(workspace)
    product.apply(workspace, NEW)
    before = content(workspace)
    files = [path for path in sorted((workspace / "cache" / what).rglob("*")) if path.is_file()]
    assert files
    for path in files:
        if path.stat().st_size and not path.is_symlink():
            spoil(path, way, path.stat().st_size // 2)
    scenarios.damage(workspace)
    outcome = run(product.command(workspace, "apply"))
    assert outcome.code == 0, product.said(outcome)
    assert content(workspace) == before
    assert not Judge()(workspace, Outcome(code=0))


def test_a_module_changed_in_the_cache_of_the_installer_gets_nowhere(workspace: Path) -> None:
    product.lay_out(workspace)
    product.apply(workspace, NEW)
    before = content(workspace)
    victims = sorted((workspace / "cache" / "uv").rglob("alpha/part1.py"))
    assert victims
    for victim in victims:
        victim.write_text(victim.read_text().replace(f"{NEW}.1", "6.6.1"))
    scenarios.damage(workspace)
    assert run(product.command(workspace, "apply")).code == 0
    assert content(workspace) == before


def test_bytecode_forged_in_the_cache_does_not_run(workspace: Path) -> None:
    product.lay_out(workspace)
    product.apply(workspace, NEW)
    genuine = bytecode(workspace)
    kept = [path for path in (workspace / "cache" / "bytecode").rglob("*") if path.is_file()]
    for path in kept:
        forged = path.read_bytes()[32:].replace(f"{NEW}.1".encode(), b"6.6.1")
        path.write_bytes(hashlib.sha256(path.name.encode() + forged).digest() + forged)
    scenarios.damage(workspace)
    assert run(product.command(workspace, "apply")).code == 0
    assert bytecode(workspace) == genuine


def bytecode(home: Path) -> bytes:
    """The compiled form of one module, as the live generation has it."""
    [found] = product.published(home).glob("lib/python*/site-packages/alpha/__pycache__/part1.*")
    return found.read_bytes()
