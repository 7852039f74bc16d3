"""The exported wrapper files: versions, imports, and size."""

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
    "openstack-ansible": {"ansible"},
}
_MAX_STATEMENTS = 60


def _sources(directory: Path, tool: str) -> list[Path]:
    files = [path for path in (directory / tool).rglob("*") if path.is_file()]
    python = [path for path in files if path.suffix == ".py" or path.name == "converge-dsc"]
    return [path for path in python if not path.name.startswith("test_")]


def _count_statements(source: Path) -> int:
    """Count the statements, except imports, docstrings, definitions, and constants."""
    tree = ast.parse(source.read_text())
    skipped = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    count = 0
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or isinstance(node, skipped):
            continue
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        constant = isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        count += not docstring and not constant
    return count


@pytest.mark.parametrize("tool", PLACES)
def test_written_files_contain_the_version(tool: str, tmp_path: Path) -> None:
    """The version of the converge that exported a wrapper is visible in its files."""
    written = write(tool, tmp_path, "7.8.9")
    assert written
    texts = [path.read_text() for path in written]
    assert not any("@VERSION@" in text for text in texts)
    assert any("7.8.9" in text for text in texts)


@pytest.mark.parametrize("tool", PLACES)
def test_write_again_updates_only_its_own_files(tool: str, tmp_path: Path) -> None:
    """A user's file in the same directory stays."""
    other = tmp_path / "other.txt"
    other.write_text("unchanged")
    first = write(tool, tmp_path, "1.0.0")
    assert write(tool, tmp_path, "2.0.0") == first
    assert other.read_text() == "unchanged"
    assert not any(
        "1.0.0" in path.read_text() for path in first if path.suffix in (".toml", ".yml", ".json")
    )


def test_write_rejects_an_unknown_tool(tmp_path: Path) -> None:
    """An unknown tool raises KeyError and writes nothing."""
    with pytest.raises(KeyError):
        write("cfengine", tmp_path, "1.0.0")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("tool", PLACES)
def test_wrapper_imports_only_stdlib_and_its_framework(tool: str, wrappers: Path) -> None:
    """A wrapper works in any interpreter of its tool, without more packages."""
    for source in _sources(wrappers, tool):
        for node in ast.walk(ast.parse(source.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            tops = {name.partition(".")[0] for name in names}
            assert tops <= sys.stdlib_module_names | _FRAMEWORKS[tool]


@pytest.mark.parametrize("tool", PLACES)
def test_wrapper_has_little_logic(tool: str, wrappers: Path) -> None:
    """The logic of a wrapper fits on one screen."""
    for source in _sources(wrappers, tool):
        assert _count_statements(source) <= _MAX_STATEMENTS, source.name
