"""Two runs are told apart by what they left, and by nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .traces import stats, traces


def left(home: Path, chance: str) -> Path:
    """A home as a run might leave it, with names of chance."""
    made = home / "srv" / ".app" / "generations" / f"000001-{chance}"
    made.mkdir(parents=True)
    (made / "file").write_text("content")
    (home / "srv" / "app").symlink_to(f".app/generations/000001-{chance}")
    return made


def test_names_of_chance_and_times_are_no_difference(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    left(first, "0000aaaa")
    os.utime(left(second, "1111bbbb") / "file", (1, 1))
    assert traces(first, {}) == traces(second, {})


CHANGES: dict[str, Callable[[Path], object]] = {
    "another content of the same length": lambda made: (made / "file").write_text("CONTENT"),
    "a file that is missing": lambda made: (made / "file").unlink(),
    "a file more": lambda made: (made / "more").touch(),
    "a folder more": lambda made: (made / "more").mkdir(),
    "another mode": lambda made: (made / "file").chmod(0o600),
    "a second name": lambda made: os.link(made / "file", made.parent.parent / "file"),
    "a link that leads elsewhere": lambda made: _lead(made.parents[2] / "app", "/nowhere"),
    "a link that leads nowhere": lambda made: made.rename(made.with_name("000001-2222cccc")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_all_else_is_a_difference(tmp_path: Path, change: str) -> None:
    made = left(tmp_path, "0000aaaa")
    before = traces(tmp_path, {})
    CHANGES[change](made)
    assert traces(tmp_path, {}) != before


def test_a_file_that_was_there_and_was_touched_or_replaced_is_a_difference(tmp_path: Path) -> None:
    made = left(tmp_path, "0000aaaa")
    before = stats(tmp_path)
    seen = {traces(tmp_path, before)}
    os.utime(made / "file", (1, 1))
    seen.add(traces(tmp_path, before))
    (made / "copy").write_text("content")
    (made / "copy").rename(made / "file")
    seen.add(traces(tmp_path, before))
    assert len(seen) == 3


def _lead(link: Path, target: str) -> None:
    link.unlink()
    link.symlink_to(target)
