"""Bytecode is made whole, of the sources that are there, or not at all."""

from __future__ import annotations

import importlib.util
import json
import os
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

    assert failed.code == 74, failed.out
    assert failed.first["error"]["message"] == "file too large"
    assert not large.venv.exists()
    large.applied()
    assert bytecode(large, "large").stat().st_size > LIMIT


@pytest.mark.parametrize("listed", [True, False])
def test_what_a_wheel_brings_of_it_is_made_anew(host: Host, listed: bool) -> None:
    own, other = (f"pkg/__pycache__/__init__.{tag}.pyc" for tag in (TAG, f"{TAG}.opt-1"))
    make_wheel(
        host.wheels,
        "pkg",
        "1.0",
        files={"pkg/__init__.py": "word = 'source'\n", own: "junk", other: "junk"},
        record_lies={} if listed else {own: None, other: None},
    )
    host.declare(["pkg"])

    host.converges()

    assert host.python_says("import pkg; print(pkg.word)") == "source"
    assert bytecode(host, "pkg").read_bytes()[:4] == importlib.util.MAGIC_NUMBER
    assert not (host.site / other).exists()
    assert host.run("verify", "converge.toml").code == 0
    make_wheel(host.wheels, "more", "1.0")
    host.declare(["pkg", "more"])
    done = host.applied()
    assert "fetching anew" not in done.err
    assert "installing 1 of 2" in done.err


def bytecode(host: Host, package: str) -> Path:
    """Return the bytecode of a package's module."""
    return host.site / package / "__pycache__" / f"__init__.{TAG}.pyc"


def test_gc_forgets_what_nobody_used_for_long_and_nothing_else(large: Host) -> None:
    large.applied()
    kept = {one for one in (large.cache / "bytecode").rglob("*") if one.is_file()}
    (declared,) = (large.cache / "declarations").iterdir()
    for one in (*kept, declared):
        os.utime(one, (0, 0))
    shutil.rmtree(large.folder / "venvs")
    large.applied()
    assert all(one.stat().st_mtime > 0 for one in kept), "they were of use"

    foretold = json.loads(large.run("gc", "--dry-run", "--json", "converge.toml").out)

    assert foretold["forgotten"] == 1
    assert declared.exists()
    assert json.loads(large.run("gc", "--json", "converge.toml").out)["forgotten"] == 1
    assert not declared.exists()
    assert all(one.exists() for one in kept)
    large.settled()
