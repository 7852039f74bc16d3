"""How the wrappers are carried and written out, and how thin they are."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest

from states.wrappers import PLACES, write

_FRAMEWORKS = {
    "ansible": {"ansible", "ansible_collections"},
    "salt": {"salt"},
    "pyinfra": {"pyinfra", "pyinfra_converge"},
    "dsc": set(),
}
_LOGIC = 60


def _sources(folder: Path, tool: str) -> list[Path]:
    found = [path for path in (folder / tool).rglob("*") if path.is_file()]
    python = [path for path in found if path.suffix == ".py" or path.name == "converge-dsc"]
    return [path for path in python if not path.name.startswith("test_")]


def _logic(source: Path) -> int:
    """Count statements that decide or act: no imports, words, definitions or tables of options."""
    tree = ast.parse(source.read_text())
    skipped = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    count = 0
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or isinstance(node, skipped):
            continue
        words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        constant = isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        count += not words and not constant
    return count


@pytest.mark.parametrize("tool", PLACES)
def test_every_file_says_the_version_it_was_written_out_with(tool: str, tmp_path: Path) -> None:
    """The wrapper and the engine that wrote it can be told apart from others."""
    written = write(tool, tmp_path, "7.8.9")
    assert written
    texts = [path.read_text() for path in written]
    assert not any("@VERSION@" in text for text in texts)
    assert any("7.8.9" in text for text in texts)


@pytest.mark.parametrize("tool", PLACES)
def test_writing_again_updates_what_was_written_and_touches_nothing_else(
    tool: str, tmp_path: Path
) -> None:
    """A user's own file in the folder stays."""
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    first = write(tool, tmp_path, "1.0.0")
    assert write(tool, tmp_path, "2.0.0") == first
    assert mine.read_text() == "mine"
    assert not any(
        "1.0.0" in path.read_text() for path in first if path.suffix in (".toml", ".yml", ".json")
    )


def test_a_tool_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    """And nothing is written."""
    with pytest.raises(KeyError):
        write("cfengine", tmp_path, "1.0.0")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("tool", PLACES)
def test_a_wrapper_imports_only_the_standard_library_and_its_framework(
    tool: str, wrappers: Path
) -> None:
    """So it works in whatever interpreter the tool has, and drags nothing into it."""
    for source in _sources(wrappers, tool):
        for node in ast.walk(ast.parse(source.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            tops = {name.partition(".")[0] for name in names}
            assert tops <= sys.stdlib_module_names | _FRAMEWORKS[tool]


@pytest.mark.parametrize("tool", PLACES)
def test_a_wrapper_is_thin(tool: str, wrappers: Path) -> None:
    """What it decides itself fits on a screen, so nothing can hide in it."""
    for source in _sources(wrappers, tool):
        assert _logic(source) <= _LOGIC, source.name
