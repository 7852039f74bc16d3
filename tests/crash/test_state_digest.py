"""The state digest depends on what a run left, and on nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .state_digest import digest_tree, stat_tree


def create_generation(home: Path, random_part: str) -> Path:
    """Create the files that a run leaves, with a random generation id, and return the generation."""
    generation = home / "srv" / ".app" / "generations" / f"000001-{random_part}"
    generation.mkdir(parents=True)
    (generation / "file").write_text("content")
    (home / "srv" / "app").symlink_to(f".app/generations/000001-{random_part}")
    return generation


def test_digest_ignores_random_names_and_timestamps(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    create_generation(first, "0000aaaa")
    os.utime(create_generation(second, "1111bbbb") / "file", (1, 1))
    assert digest_tree(first, {}) == digest_tree(second, {})


CHANGES: dict[str, Callable[[Path], object]] = {
    "content of the same length": lambda generation: (generation / "file").write_text("CONTENT"),
    "missing file": lambda generation: (generation / "file").unlink(),
    "added file": lambda generation: (generation / "added").touch(),
    "added directory": lambda generation: (generation / "added").mkdir(),
    "mode": lambda generation: (generation / "file").chmod(0o600),
    "hard link": lambda generation: os.link(generation / "file", generation.parent.parent / "file"),
    "symlink to another target": lambda generation: _replace_symlink(
        generation.parents[2] / "app", "/nowhere"
    ),
    "dangling symlink": lambda generation: generation.rename(
        generation.with_name("000001-2222cccc")
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_digest_depends_on_every_other_change(tmp_path: Path, change: str) -> None:
    generation = create_generation(tmp_path, "0000aaaa")
    before = digest_tree(tmp_path, {})
    CHANGES[change](generation)
    assert digest_tree(tmp_path, {}) != before


def test_digest_shows_a_touched_or_replaced_file(tmp_path: Path) -> None:
    generation = create_generation(tmp_path, "0000aaaa")
    before = stat_tree(tmp_path)
    digests = {digest_tree(tmp_path, before)}
    os.utime(generation / "file", (1, 1))
    digests.add(digest_tree(tmp_path, before))
    (generation / "copy").write_text("content")
    (generation / "copy").rename(generation / "file")
    digests.add(digest_tree(tmp_path, before))
    assert len(digests) == 3


def _replace_symlink(link: Path, target: str) -> None:
    link.unlink()
    link.symlink_to(target)
