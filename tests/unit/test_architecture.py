"""Rules for the structure of the code: dependencies, size, names, and docstrings."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

import networkx
import pytest

from engine.settings import Settings
from states.__main__ import build_registry

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for package in ("engine", "states")
    for path in (ROOT / package).rglob("*.py")
    if "wrappers" not in path.parent.parts[:-1] or path.name == "__init__.py"
)
SCREEN = 60
"""Maximum number of lines in the body of a function."""
MAX_MODULES = 14
"""Maximum number of modules in a directory."""
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


KIND_TERMS = re.compile(
    r"\w*(?:venv|virtualenv|pylock|egg-info|pyproject|site-packages)\w*"
    r"|\b(?:pip|uv|wheels?|lockfiles?|packages?|generations?|PEP 508|PEP 751)\b",
    re.IGNORECASE,
)
"""Terms that belong to the kinds in `states`."""
KINDS = build_registry(Settings(cache="/cache", state="/state")).kinds.values()
ATTRIBUTE_PREFIXES = tuple(group.prefix for kind in KINDS for group in kind.display.groups)
"""Prefixes of the attributes of all kinds, such as `package.`."""
ATTRIBUTES = {name for kind in KINDS for name in (*kind.declared, *kind.display.hidden)}
"""Attributes without such a prefix, as far as a kind lists them."""
ALLOWED_TERMS = {
    # Options and settings of one kind. To be removed when a kind can add its own.
    "engine.cli.options": {"package", "packages"},
    "engine.cli.commands.apply": {"package"},
    "engine.settings": {"lockfiles", "packages"},
    # The title of a group of commands. To be removed when a command names its own group.
    "engine.cli.command": {"generations"},
}


def kind_terms(text: str) -> set[str]:
    """Return the terms of a kind in the text of a module, in lowercase."""
    return {match.group().lower() for match in KIND_TERMS.finditer(text)}


def kind_attributes(text: str) -> set[str]:
    """Return the string literals, and code in docstrings, that name an attribute of a kind."""
    literals = {
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    quoted = set(re.findall(r"`([^`\s]+)`", text))
    prefixed = {name for name in literals | quoted if name.startswith(ATTRIBUTE_PREFIXES)}
    return prefixed | literals & ATTRIBUTES


def test_engine_contains_no_term_of_a_kind() -> None:
    terms = {
        _name(path): kind_terms(path.read_text()) - ALLOWED_TERMS.get(_name(path), set())
        for path in FILES
        if _name(path).startswith("engine")
    }
    assert {module: offenders for module, offenders in terms.items() if offenders} == {}


def test_engine_contains_no_attribute_of_a_kind() -> None:
    attributes = {
        _name(path): kind_attributes(path.read_text())
        for path in FILES
        if _name(path).startswith("engine")
    }
    assert {module: offenders for module, offenders in attributes.items() if offenders} == {}


def test_allowed_terms_are_in_use() -> None:
    unused = {
        f"{name}: {term}"
        for name, terms in ALLOWED_TERMS.items()
        for term in terms - kind_terms((ROOT / f"{name.replace('.', '/')}.py").read_text())
    }
    assert unused == set()


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ('NAME = ".venv"', "venv"),
        ("def pip_install(): run(pip)", "pip"),
        ("# as in `pyproject.toml`", "pyproject"),
        ('"""Skip generations."""', "generations"),
        ('IGNORED = ("*.egg-info",)', "egg-info"),
    ],
)
def test_term_of_a_kind_is_detected(text: str, term: str) -> None:
    assert term in " ".join(kind_terms(text))


@pytest.mark.parametrize(
    "text",
    ['x.startswith("package.")', 'x == "artifacts"', '"""Such as `file.bin/x`."""'],
)
def test_attribute_of_a_kind_is_detected(text: str) -> None:
    assert kind_attributes(text)


def test_terms_and_attributes_of_the_engine_are_accepted() -> None:
    text = 'import pipes  # named pipe\nnote = "Close the file."\n'
    assert kind_terms(text) | kind_attributes(text) == set()


def import_graph(modules: Mapping[str, str]) -> networkx.DiGraph[str]:
    """Return the graph of all imports between modules: at import time, for types, and lazy.

    The façades `engine` and `states` are left out: they import exported names on first use.
    """
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    for name, text in modules.items():
        for node in ast.walk(ast.parse(text)):
            for imported in _imports([node]) if isinstance(node, ast.stmt) else ():
                if imported in modules and imported != name:
                    graph.add_edge(name, imported)
    graph.remove_nodes_from(["engine", "states"])
    return graph


def cycles(graph: networkx.DiGraph[str]) -> list[list[str]]:
    """Return each group of nodes that reach each other, sorted."""
    components = networkx.strongly_connected_components(graph)
    return sorted(sorted(component) for component in components if len(component) > 1)


def member_graph(graph: networkx.DiGraph[str], package: str) -> networkx.DiGraph[str]:
    """Return the graph of the direct members of a package: its modules and its subpackages."""
    members: networkx.DiGraph[str] = networkx.DiGraph()
    for names in graph.edges:
        if all(name.startswith(f"{package}.") for name in names):
            member, imported = (name.removeprefix(f"{package}.").split(".")[0] for name in names)
            if member != imported:
                members.add_edge(member, imported)
    return members


def _modules() -> dict[str, str]:
    return {_name(path): path.read_text() for path in FILES}


def test_imports_have_no_cycles() -> None:
    """Imports for types and imports in functions also count: they make modules hard to read."""
    assert cycles(import_graph(_modules())) == []


NESTED_PACKAGES = sorted({_name(path).rpartition(".")[0] for path in FILES
                          if path.name == "__init__.py"} - {""})  # fmt: skip
"""Packages that contain other packages."""


@pytest.mark.parametrize("package", NESTED_PACKAGES)
def test_members_of_a_package_form_layers(package: str) -> None:
    """Each layer imports only lower ones, so a reader can start at either end."""
    assert cycles(member_graph(import_graph(_modules()), package)) == []


def test_layers_are_checked_in_every_package_of_packages() -> None:
    assert {"engine", "states", "states.venv", "states.venv.build"} <= set(NESTED_PACKAGES)


PLANTED = {
    "engine": "from engine.first import x",
    "engine.first": "if TYPE_CHECKING:\n    from engine.second import y",
    "engine.second": "def f():\n    from engine import first",
    "engine.cli.main": "import engine.output.text",
    "engine.output.text": "",
    "engine.output.page": "import engine.cli.options",
    "engine.cli.options": "",
    "states.venv.observe": "from states.venv.generations.store import live_id",
    "states.venv.generations.store": "",
    "states.venv.generations.verify": "from states.venv.observe import metadata_drift",
}


def test_facades_import_no_module() -> None:
    """The import graph leaves them out, and every run imports them."""
    imported = {
        _name(path): [module for module in _imports(_tree(path).body) if module in _modules()]
        for path in FILES
        if _name(path) in ("engine", "states")
    }
    assert imported == {"engine": [], "states": []}


def test_planted_import_cycle_is_detected() -> None:
    assert cycles(import_graph(PLANTED)) == [["engine.first", "engine.second"]]


def test_planted_cycle_of_subpackages_is_detected() -> None:
    members = member_graph(import_graph(PLANTED), "engine")
    assert cycles(members) == [["cli", "output"], ["first", "second"]]
    members = member_graph(import_graph(PLANTED), "states.venv")
    assert cycles(members) == [["generations", "observe"]]


def test_directories_hold_few_modules() -> None:
    counts = Counter(path.parent for path in FILES if path.name != "__init__.py")
    assert {
        str(directory.relative_to(ROOT)): count
        for directory, count in counts.items()
        if count > MAX_MODULES
    } == {}


def test_no_package_shadows_a_module() -> None:
    """Python never imports `reuse.py` if a package `reuse` exists beside it."""
    assert [path for path in FILES if path.with_suffix("").is_dir()] == []


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
    """Half of the lines are the contract of a kind, which only docstrings state."""
    texts = [(ROOT / f"engine/{name}.py").read_text() for name in ("kind", "diff", "converge")]
    assert sum(len(text.splitlines()) for text in texts) <= 530
    assert sum(map(_code_lines, texts)) <= 255


def _code_lines(text: str) -> int:
    """Return the number of lines with code, without blank lines, comments, and docstrings."""
    documentation = {
        number
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for number in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in documentation
        for number, line in enumerate(text.splitlines(), 1)
    )


HEAVY = {
    "asyncio", "dataclasses", "hashlib", "logging", "networkx", "packaging", "pathspec", "pydantic", "rich",
    "subprocess", "threading", "tomli", "typing", "urllib.request", "virtualenv",
}  # fmt: skip


def test_startup_imports_no_heavy_library() -> None:
    program = "import sys, states.__main__; print(*sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert HEAVY & set(process.stdout.split()) == set()


@pytest.fixture(scope="module")
def no_op_modules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return the modules that each command imports when there is nothing to do."""
    directory = tmp_path_factory.mktemp("no-op")
    (directory / "limits.txt").write_text("alpha<2\n")
    (directory / "site.toml").write_text(
        f'[link.l]\nto = "{directory}"\n[venv.web]\npath = "web"\npackages = []\n'
        'constraints = ["limits.txt"]\n[venv.gone]\npath = "gone"\nstate = "absent"\n'
    )
    program = (
        "import atexit, sys; from states.__main__ import main;"
        "atexit.register(lambda: print(*sys.modules)); sys.exit(main())"
    )
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONUTF8": "1",
        "CONVERGE_CACHE_DIR": str(directory / "cache"),
        "CONVERGE_STATE_DIR": str(directory / "state"),
    }

    def run(command: str) -> list[str]:
        return subprocess.run(
            [sys.executable, "-c", program, command, str(directory / "site.toml")],
            cwd=ROOT, env=environ, capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip

    assert "2 created" in "".join(run("apply"))
    modules = {}
    for command in ("apply", "plan", "check"):
        *report, names = run(command)
        assert "no changes" in "".join(report)
        modules[command] = set(names.split())
    return modules


def test_no_op_run_imports_no_heavy_library(no_op_modules: dict[str, set[str]]) -> None:
    """The second run finds the parsed declaration in the cache, and nothing to do."""
    imported = {command: HEAVY & modules for command, modules in no_op_modules.items()}
    assert imported == {"apply": set(), "plan": set(), "check": set()}


def test_only_a_no_op_run_avoids_typing(no_op_modules: dict[str, set[str]]) -> None:
    """Importing `typing` takes time, so modules on that path set `TYPE_CHECKING = False`."""
    hot = set().union(*no_op_modules.values())
    avoiding = {_name(path) for path in FILES if "\nTYPE_CHECKING = False\n" in path.read_text()}
    assert {"states.venv.observe", "engine.converge"} <= avoiding
    worker = {"states.venv.build.reuse.file_copy"}  # Worker processes start it.
    # The declaration has no resource of these kinds.
    absent = ("states.command", "states.global_installs.", "states.wheelhouse.")
    assert {name for name in avoiding - hot if not name.startswith(absent)} == worker


def test_installer_is_a_seam() -> None:
    """The installer doesn't depend on venvs, and uv is found in one module."""
    offenders = [
        f"{_name(path)} imports {module}"
        for path in FILES
        for module in _all_imports(path)
        if (_name(path).startswith("states.installer") and module.startswith("states.venv"))
        or (module.split(".")[0] == "uv" and _name(path) != "states.installer.readiness")
    ]
    assert offenders == []


def test_architecture_page_lists_every_package() -> None:
    """A wrapper is written for another tool, so its packages aren't part of the architecture."""
    page = (ROOT / "docs/explanation/architecture.md").read_text()
    listed = set(re.findall(r"`([a-z_.]+)`", "".join(re.findall(r"^\| (`[^|]+) \|", page, re.M))))
    packages = {_name(path) for path in FILES if path.name == "__init__.py"} - {"states"}
    assert {name for name in packages if not name.startswith("states.wrappers.")} - listed == set()
