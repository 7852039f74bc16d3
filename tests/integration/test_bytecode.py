"""Bytecode is complete and compiled from the installed sources, or the build fails."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.support.wheels import make_wheel, record_row

TAG = sys.implementation.cache_tag
LIMIT = 100_000


@pytest.fixture
def large_package_host(host: Host) -> Host:
    """Return a host with a package whose bytecode is much larger than its source."""
    source = "def f(a):\n" + "    a.b.c(a.b, a.c)\n" * 4000
    assert len(source) < LIMIT
    make_wheel(host.wheels, "large", "1.0", files={"large/__init__.py": source})
    host.cache = host.directory / "cache"
    host.declare(["large"])
    return host


@pytest.mark.parametrize("cached", [True, False])
def test_truncated_bytecode_is_not_published(large_package_host: Host, cached: bool) -> None:
    if not shutil.which("prlimit"):
        pytest.skip("needs prlimit")
    large_package_host.apply_ok()
    assert bytecode(large_package_host, "large").stat().st_size > LIMIT
    shutil.rmtree(large_package_host.directory / "venvs")
    if not cached:
        shutil.rmtree(large_package_host.cache / "bytecode")

    failed = large_package_host.apply(prefix=["prlimit", f"--fsize={LIMIT}"])

    assert failed.code == 74, failed.out
    assert failed.first["error"]["message"] == "file too large"
    assert not large_package_host.venv.exists()
    large_package_host.apply_ok()
    assert bytecode(large_package_host, "large").stat().st_size > LIMIT


def test_mismatch_is_reported_although_compiling_failed(large_package_host: Host) -> None:
    """A mismatch can be the cause, and the package is then downloaded again."""
    lie = {"broken/__init__.py": record_row("other")}
    make_wheel(large_package_host.wheels, "broken", "1.0", record_lies=lie)
    large_package_host.declare(["large", "broken"])

    failed = large_package_host.apply(prefix=["prlimit", f"--fsize={LIMIT}"])

    assert failed.code == 81, failed.out
    assert "downloading again" in failed.err


def test_venvs_of_one_run_compile_a_source_once(host_with_wheels: Host) -> None:
    """Only the scripts of the environment itself differ: they contain its name."""
    host = host_with_wheels
    host.cache = host.directory / "cache"
    host.declare([])
    own = compiled_files(host.apply_ok().err)
    host.declare(["alpha", "beta"])
    packages = compiled_files(host.apply_ok().err)
    assert packages
    shutil.rmtree(host.cache / "bytecode")
    shutil.rmtree(host.directory / "venvs")
    others = "".join(
        f'[venv.other{number}]\npath = "venvs/other{number}"\npython = "{host.python}"\n'
        'packages = ["alpha", "beta"]\nfind-links = ["wheels"]\nno-index = true\n'
        for number in range(3)
    )
    host.declare(["alpha", "beta"], others)

    assert compiled_files(host.apply_ok("--jobs", "4").err) == packages + 4 * own


@pytest.mark.parametrize("listed", [True, False])
def test_bytecode_from_a_wheel_is_recompiled(host: Host, listed: bool) -> None:
    own_tag, other_tag = (f"pkg/__pycache__/__init__.{tag}.pyc" for tag in (TAG, f"{TAG}.opt-1"))
    make_wheel(
        host.wheels,
        "pkg",
        "1.0",
        files={"pkg/__init__.py": "ORIGIN = 'source'\n", own_tag: "junk", other_tag: "junk"},
        record_lies={} if listed else {own_tag: None, other_tag: None},
    )
    host.declare(["pkg"])

    host.assert_converges()

    assert host.run_python("import pkg; print(pkg.ORIGIN)") == "source"
    assert bytecode(host, "pkg").read_bytes()[:4] == importlib.util.MAGIC_NUMBER
    assert not (host.site / other_tag).exists()
    assert host.run("verify", "converge.toml").code == 0
    make_wheel(host.wheels, "more", "1.0")
    host.declare(["pkg", "more"])
    result = host.apply_ok()
    assert "downloading again" not in result.err
    assert "installing 1 of 2" in result.err


@pytest.mark.parametrize("spare", [0, -1])
def test_module_with_too_long_a_bytecode_name_is_installed(host: Host, spare: int) -> None:
    """The name of the bytecode is longer than that of the source."""
    longest = 255 - len(f".{TAG}.pyc") - spare
    module = "m" * longest
    make_wheel(host.wheels, "long", "1.0", files={f"long/{module}.py": "x = 1\n"})
    host.declare(["long"])

    host.apply_ok()

    assert host.run_python(f"from long import {module}; print({module}.x)") == "1"
    compiled = host.site / "long/__pycache__" / f"{module}.{TAG}.pyc"
    assert bool(list(compiled.parent.glob("mm*"))) is (spare == 0)
    host.assert_no_changes()
    assert host.run("verify", "converge.toml").code == 0


def compiled_files(progress: str) -> int:
    """Return how many files a run has compiled."""
    return sum(int(number) for number in re.findall(r"compiling (\d+) file", progress))


def bytecode(host: Host, package: str) -> Path:
    """Return the bytecode of a package's module."""
    return host.site / package / "__pycache__" / f"__init__.{TAG}.pyc"


def test_gc_deletes_expired_build_caches(large_package_host: Host) -> None:
    caches = [large_package_host.cache / "uv-builds" / name for name in ("old", "new")]
    for cache in caches:
        cache.mkdir(parents=True)
        (cache / "wheel").touch()
    os.utime(caches[0], (0, 0))

    report = json.loads(large_package_host.run("gc", "--json", "converge.toml").out)

    assert report["expired_cache_files"] == 1
    assert [cache.exists() for cache in caches] == [False, True]


def test_gc_deletes_only_expired_cache_files(large_package_host: Host) -> None:
    large_package_host.apply_ok()
    kept = {file for file in (large_package_host.cache / "bytecode").rglob("*") if file.is_file()}
    (declared,) = (large_package_host.cache / "declarations").iterdir()
    for file in (*kept, declared):
        os.utime(file, (0, 0))
    shutil.rmtree(large_package_host.directory / "venvs")
    large_package_host.apply_ok()
    assert all(file.stat().st_mtime > 0 for file in kept), "apply used them"

    dry_run = json.loads(large_package_host.run("gc", "--dry-run", "--json", "converge.toml").out)

    assert dry_run["expired_cache_files"] == 1
    assert declared.exists()
    assert (
        json.loads(large_package_host.run("gc", "--json", "converge.toml").out)[
            "expired_cache_files"
        ]
        == 1
    )
    assert not declared.exists()
    assert all(file.exists() for file in kept)
    large_package_host.assert_no_changes()
