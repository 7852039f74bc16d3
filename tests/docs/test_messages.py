"""The messages in the table of the recovery page are messages of the program."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT

PAGE = DOCS / "how-to" / "recover.md"
_ROW = re.compile(r"^\| `([^|]+)` \| (\d*) \|", re.M)


def _literals(tree: ast.AST) -> Iterator[str]:
    """Yield each string of a module, with `…` in place of the expressions of an f-string.

    Docstrings aren't messages.
    """
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in docstrings:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.fixture(scope="module")
def literals() -> list[str]:
    """Return the strings of all modules."""
    modules = [*Path(ROOT / "engine").rglob("*.py"), *Path(ROOT / "states").rglob("*.py")]
    return [
        text.replace("`", "")
        for module in modules
        for text in _literals(ast.parse(module.read_text(encoding="utf-8")))
    ]


@pytest.mark.parametrize(("message", "code"), _ROW.findall(PAGE.read_text(encoding="utf-8")))
def test_message_of_the_table_exists(message: str, code: str, literals: list[str]) -> None:
    parts = [part.strip(" `") for part in message.split("…") if part.strip(" `")]
    pattern = re.compile(".*".join(map(re.escape, parts)), re.S)
    assert any(pattern.search(text) for text in literals)
    documented = (DOCS / "reference" / "command.md").read_text(encoding="utf-8")
    assert not code or re.search(rf"^\| `?{code}`? \|", documented, re.M)


def test_table_has_rows() -> None:
    assert len(_ROW.findall(PAGE.read_text(encoding="utf-8"))) > 10
