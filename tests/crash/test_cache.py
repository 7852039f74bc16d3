"""A damaged or forged cache never affects what converge builds from it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from . import product, scenarios
from .checker import Checker
from .product import NEW
from .supervisor import Outcome, run
from .test_corrupt_records import CORRUPTIONS, corrupt
from .test_environment import generation_content

pytestmark = pytest.mark.usefixtures("needs_sandbox", "needs_converge")


@pytest.fixture
def applied_host(workspace: Path) -> Path:
    """Return a host on which converge built the venv, so that its caches are filled."""
    product.create_host(workspace)
    product.apply(workspace, NEW)
    return workspace


@pytest.mark.parametrize("corruption", CORRUPTIONS)
@pytest.mark.parametrize("cache", ["uv", "bytecode"])
def test_repair_ignores_a_damaged_cache(cache: str, corruption: str, applied_host: Path) -> None:
    before = generation_content(applied_host)
    directory = applied_host / "cache" / cache
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    assert files
    for path in files:
        if path.stat().st_size and not path.is_symlink():
            corrupt(path, corruption, path.stat().st_size // 2)
    scenarios.damage(applied_host)
    outcome = run(product.command(applied_host, "apply"))
    assert outcome.code == 0, product.last_output(outcome)
    assert generation_content(applied_host) == before
    assert not Checker()(applied_host, Outcome(code=0))


def test_repair_ignores_a_modified_module_in_uvs_cache(applied_host: Path) -> None:
    before = generation_content(applied_host)
    cached_modules = sorted((applied_host / "cache" / "uv").rglob("alpha/part1.py"))
    assert cached_modules
    for module in cached_modules:
        module.write_text(module.read_text().replace(f"{NEW}.1", "6.6.1"))
    scenarios.damage(applied_host)
    assert run(product.command(applied_host, "apply")).code == 0
    assert generation_content(applied_host) == before


def test_repair_ignores_forged_bytecode_in_the_cache(applied_host: Path) -> None:
    genuine = bytecode(applied_host)
    cache = applied_host / "cache" / "bytecode"
    for path in [path for path in cache.rglob("*") if path.is_file()]:
        forged = path.read_bytes()[32:].replace(f"{NEW}.1".encode(), b"6.6.1")
        path.write_bytes(hashlib.sha256(path.name.encode() + forged).digest() + forged)
    scenarios.damage(applied_host)
    assert run(product.command(applied_host, "apply")).code == 0
    assert bytecode(applied_host) == genuine


def bytecode(home: Path) -> bytes:
    """Return the bytecode of one module in the live generation."""
    pattern = "lib/python*/site-packages/alpha/__pycache__/part1.*"
    [path] = product.published(home).glob(pattern)
    return path.read_bytes()
