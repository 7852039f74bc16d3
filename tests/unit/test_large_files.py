"""A file of any size is hashed and copied in little memory, as those of large wheels are."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.source import tree_digest
from states.venv import donors
from states.venv import seal as seals

SIZE = 48 << 20
LITTLE = 8 << 20
NAME = "lib/large.so"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with a large file in it, that takes no room."""
    made = tmp_path / "source"
    (made / "lib").mkdir(parents=True)
    with (made / NAME).open("wb") as stream:
        stream.truncate(SIZE)
    return made


def peak(work: Callable[[], object]) -> int:
    """Return how many bytes were in memory at most for something."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_manifest_entry_of_a_large_file_needs_little_memory(source: Path) -> None:
    assert peak(lambda: seals.entry(str(source), NAME)) < LITTLE


def test_digest_of_a_large_file_needs_little_memory(source: Path) -> None:
    assert peak(lambda: tree_digest(str(source / NAME))) < LITTLE


def test_copy_of_a_large_file_needs_little_memory(source: Path) -> None:
    sealed = seals.entry(str(source), NAME)
    target = source.with_name("target")
    arguments = (str(source), str(target), [NAME], {NAME: sealed})

    assert peak(lambda: donors._copy(*arguments, set())) < LITTLE
    assert seals.entry(str(target), NAME) == sealed
    (target / NAME).unlink()
    os.truncate(source / NAME, SIZE - 1)

    assert donors._copy(*arguments, set()) == {}
    assert list(target.rglob("*.so")) == []
