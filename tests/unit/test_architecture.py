"""Rules for the structure of the code: dependencies, size, names, and docstrings."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import networkx

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for package in ("engine", "states")
    for path in (ROOT / package).rglob("*.py")
    if "wrappers" not in path.parent.parts[:-1] or path.name == "__init__.py"
)
SCREEN = 60
"""Maximum number of lines in the body of a function."""
PUBLIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def _imports(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the modules imported at import time, without those under `TYPE_CHECKING`."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) != "TYPE_CHECKING":
            yield from _imports([*node.body, *node.orelse])


def _all_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.stmt):
            yield from _imports([node])


def _functions(path: Path) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(_tree(path)) if isinstance(node, ast.FunctionDef))


def _lines(function: ast.FunctionDef) -> int:
    body = function.body
    if ast.get_docstring(function) and len(body) > 1:
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_engine_never_imports_states() -> None:
    offenders = [
        f"{_name(path)} imports {module}"
        for path in FILES
        if _name(path).startswith("engine")
        for module in _all_imports(path)
        if module.startswith("states")
    ]
    assert offenders == []


def test_engine_never_mentions_its_use() -> None:
    """The one exception is `.venv`, which the digest of a source tree ignores by name."""
    mentions = {
        _name(path): re.findall(r"(?<!\.)\b\w*(?:venv|virtualenv|\bpip\b)", path.read_text(), re.I)
        for path in FILES
        if _name(path).startswith("engine")
    }
    assert {name: matches for name, matches in mentions.items() if matches} == {}


def test_imports_have_no_cycles() -> None:
    modules = {_name(path) for path in FILES}
    graph = networkx.DiGraph()
    for path in FILES:
        for imported in _imports(_tree(path).body):
            if imported in modules and imported != _name(path):
                graph.add_edge(_name(path), imported)
    assert list(networkx.simple_cycles(graph)) == []


def test_files_are_short() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > 300} == {}
    assert median(lengths.values()) <= 120


def test_functions_fit_on_a_screen() -> None:
    bodies = {
        f"{_name(path)}.{function.name}": _lines(function)
        for path in FILES
        for function in _functions(path)
    }
    assert {name: lines for name, lines in bodies.items() if lines > SCREEN} == {}
    assert median(bodies.values()) <= 8


def test_public_names_have_docstrings() -> None:
    offenders = [name for path in FILES for name in _undocumented(path)]
    assert offenders == []


def _undocumented(path: Path) -> Iterator[str]:
    """Yield the module and its public classes and functions that have no docstring."""
    tree = _tree(path)
    if not ast.get_docstring(tree):
        yield _name(path)
    for node in tree.body:
        if not isinstance(node, PUBLIC) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield f"{_name(path)}.{node.name}"


def test_modules_have_specific_names() -> None:
    vague = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}
    parts = {part for path in FILES for part in _name(path).split(".")}
    assert parts & vague == set()


def test_core_is_three_short_files() -> None:
    lengths = [len((ROOT / "engine" / f"{name}.py").read_text().splitlines())
               for name in ("kind", "diff", "converge")]  # fmt: skip
    assert sum(lengths) <= 530


def test_startup_imports_no_heavy_library() -> None:
    program = "import sys, states.__main__; print(*sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy = {"pydantic", "networkx", "virtualenv", "packaging", "rich", "subprocess", "asyncio",
             "dataclasses", "typing", "logging", "threading", "urllib.request"}  # fmt: skip
    assert heavy & set(process.stdout.split()) == set()


def test_installer_is_a_seam() -> None:
    """The installer doesn't depend on venvs, and uv is run from one module."""
    offenders = [
        f"{_name(path)} imports {module}"
        for path in FILES
        for module in _all_imports(path)
        if (_name(path).startswith("states.installer") and module.startswith("states.venv"))
        or (module.split(".")[0] == "uv" and _name(path) != "states.installer.uv")
    ]
    assert offenders == []
