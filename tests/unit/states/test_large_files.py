"""Files of any size are hashed and copied with little RAM, including those of large wheels."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from states.venv.build.reuse.package_copy import PackageCopier
from states.venv.integrity.dist_info import metadata_name
from states.venv.integrity.manifest import stat_entry
from states.venv.sources.tree import tree_digest

SIZE = 48 << 20
MAX_RAM = 8 << 20
NAME = "lib/large.so"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a directory with a large sparse file."""
    directory = tmp_path / "source"
    (directory / "lib").mkdir(parents=True)
    with (directory / NAME).open("wb") as stream:
        stream.truncate(SIZE)
    return directory


def peak_memory(work: Callable[[], object]) -> int:
    """Return the peak number of bytes that Python allocates during a call."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_manifest_entry_of_a_large_file_needs_little_memory(source: Path) -> None:
    assert peak_memory(lambda: stat_entry(str(source), NAME)) < MAX_RAM


def test_digest_of_a_large_file_needs_little_memory(source: Path) -> None:
    assert peak_memory(lambda: tree_digest(str(source / NAME))) < MAX_RAM


@pytest.mark.parametrize("separator", [b"\n", b""], ids=["description", "headers"])
def test_large_metadata_needs_little_memory(source: Path, separator: bytes) -> None:
    """Another user may have planted it."""
    with (source / NAME).open("r+b") as stream:
        stream.write(b"Name: web\nVersion: 1.0\n" + separator)

    assert peak_memory(lambda: metadata_name(str(source / NAME))) < MAX_RAM
    assert metadata_name(str(source / NAME)) == ("web", "1.0")


def test_copy_of_a_large_file_needs_little_memory(source: Path) -> None:
    entry = stat_entry(str(source), NAME)
    target = source.with_name("target")
    copier = PackageCopier(str(source), str(target), {NAME: entry}, str(source.parent))
    package = {"web": [NAME]}

    assert peak_memory(lambda: copier.copy(package)) < MAX_RAM
    assert stat_entry(str(target), NAME) == entry
    (target / NAME).unlink()
    os.truncate(source / NAME, SIZE - 1)

    assert copier.copy(package) == {}
    assert list(target.rglob("*.so")) == []
