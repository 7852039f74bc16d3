"""The public API of `engine` is the same for type checkers and at run time."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

import engine


def test_exports_match_the_imports_for_type_checkers() -> None:
    imports = {
        alias.name: node.module or ""
        for node in ast.walk(ast.parse(Path(engine.__file__).read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    exports = {name: getattr(engine, name) for name in engine.__all__}
    assert exports == {
        name: getattr(import_module(module), name) for name, module in imports.items()
    }


def test_unknown_export_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Bogus'"):
        _ = engine.Bogus
