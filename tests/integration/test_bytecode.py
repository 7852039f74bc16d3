"""Bytecode is made whole, of the sources that are there, or not at all."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.support.wheels import make_wheel

TAG = sys.implementation.cache_tag
LIMIT = 100_000


@pytest.fixture
def large(host: Host) -> Host:
    """A host with a package whose bytecode is much larger than its source."""
    source = "def f(a):\n" + "    a.b.c(a.b, a.c)\n" * 4000
    assert len(source) < LIMIT
    make_wheel(host.wheels, "large", "1.0", files={"large/__init__.py": source})
    host.cache = host.folder / "cache"
    host.declare(["large"])
    return host


@pytest.mark.parametrize("known", [True, False])
def test_what_cannot_be_written_to_its_end_is_not_published(large: Host, known: bool) -> None:
    if not shutil.which("prlimit"):
        pytest.skip("needs prlimit")
    large.applied()
    assert bytecode(large, "large").stat().st_size > LIMIT
    shutil.rmtree(large.folder / "venvs")
    if not known:
        shutil.rmtree(large.cache / "bytecode")

    failed = large.apply(prefix=["prlimit", f"--fsize={LIMIT}"])

    assert failed.code not in (0, 70), failed.out
    assert not large.venv.exists()
    large.applied()
    assert bytecode(large, "large").stat().st_size > LIMIT


def bytecode(host: Host, package: str) -> Path:
    """Return the bytecode of a package's module."""
    return host.site / package / "__pycache__" / f"__init__.{TAG}.pyc"
