"""The commands of the tutorial print the shown output."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS
from tests.docs.transcript import masked, run
from tests.support.index import Index
from tests.support.wheels import make_wheel

TUTORIAL = DOCS / "tutorial.md"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index with tiny wheels that have the names and versions of the tutorial."""
    shelf = tmp_path / "shelf"
    main = """
def main():
    print("markdown-it-py [version {0}]")
"""
    for version in ("2.2.0", "3.0.0"):
        make_wheel(
            shelf,
            "markdown-it-py",
            version,
            requires=["mdurl~=0.1"],
            files={
                "markdown_it/__init__.py": "",
                "markdown_it/main.py": main.format(version),
            },
            module=False,
            console_scripts={"markdown-it": "markdown_it.main:main"},
        )
    make_wheel(shelf, "mdurl", "0.1.2", files={"mdurl/_parse.py": ""})
    make_wheel(shelf, "pygments", "2.18.0")
    with Index(shelf) as running:
        yield running


def _follow(tmp_path: Path, file: Callable[[str], str]) -> None:
    directory = tmp_path / "web"
    directory.mkdir()
    env = {
        "HOME": str(tmp_path),
        "CONVERGE_CACHE_DIR": str(tmp_path / "cache"),
        "CONVERGE_STATE_DIR": str(tmp_path / "state"),
    }
    for step, output in run(TUTORIAL, directory, env, file):
        assert masked(output) == masked(step.printed), step.command


def test_tutorial_output_matches(tmp_path: Path, index: Index) -> None:
    own = f'[defaults]\nindex-url = "{index.url}"\n'
    _follow(tmp_path, lambda text: text.replace("[defaults]\n", own))


@pytest.mark.network
def test_tutorial_matches_the_real_packages(tmp_path: Path) -> None:
    _follow(tmp_path, lambda text: text)


def test_tutorial_uses_the_everyday_commands() -> None:
    used = set(re.findall(r"^\$ converge (\w+)", TUTORIAL.read_text(), re.M))
    assert used >= {
        "init", "plan", "apply", "check", "history", "rollback", "lock", "status", "verify", "gc",
    }  # fmt: skip
