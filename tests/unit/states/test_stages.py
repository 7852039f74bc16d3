"""The types of a build's stages allow one order of steps, and one way to a `Generation`."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_architecture import FILES, ROOT, _name

CONSTRUCTORS = {
    "Draft": {"states.venv.build.build.create"},
    "Populated": {"states.venv.build.build.populate"},
    "Verified": {"states.venv.build.build.verify"},
    "Sealed": {"states.venv.build.build.seal"},
    "Generation": {
        "states.venv.build.build.finish",
        "states.venv.generations.generation.load_generation",
    },
}
"""The only functions that may construct each stage."""
CHAIN = {
    "create": ("BuildContext", "Iterator[Draft]"),
    "populate": ("Draft", "Populated"),
    "verify": ("Populated", "Verified"),
    "seal": ("Verified", "Sealed"),
    "finish": ("Sealed", "Generation"),
}


def find_constructions(module: str, source: str) -> Iterator[tuple[str, str]]:
    """Yield each stage that a module constructs, or casts to, with the name of the function."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        target = ast.unparse(call.func).rpartition(".")[2]
        if target == "cast" and call.args:
            target = ast.unparse(call.args[0]).strip("'\"").rpartition(".")[2]
        name = names.get(target, target)
        if name in CONSTRUCTORS:
            inside = [
                function.name
                for function in functions
                if function.lineno <= call.lineno <= (function.end_lineno or 0)
            ]
            yield name, ".".join([module, *inside])


def test_each_type_of_a_build_is_constructed_once() -> None:
    constructions: dict[str, set[str]] = {name: set() for name in CONSTRUCTORS}
    for path in FILES:
        for name, function in find_constructions(_name(path), path.read_text()):
            constructions[name].add(function)
    assert constructions == CONSTRUCTORS


PLANTED = [
    "def roll_back(root, receipt):\n    publish(store, Generation(root, receipt))",
    "def roll_back(root, receipt):\n    publish(store, generation.Generation(root, receipt))",
    "from generation import Generation as G\ndef roll_back(root, receipt):\n    G(root, receipt)",
    'def roll_back(value):\n    publish(store, cast("Generation", value))',
]


@pytest.mark.parametrize("source", PLANTED)
def test_planted_construction_is_detected(source: str) -> None:
    assert list(find_constructions("planted", source)) == [("Generation", "planted.roll_back")]


def test_steps_form_a_chain_of_types() -> None:
    tree = ast.parse((ROOT / "states/venv/build/build.py").read_text())
    signatures = {
        node.name: (
            *(ast.unparse(argument.annotation or node) for argument in node.args.args),
            ast.unparse(node.returns or node),
        )
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in CHAIN
    }
    assert signatures == CHAIN


WRONG_ORDER = """\
from states.venv.build.build import finish, seal, verify
from states.venv.build.stages import Draft, Populated, Sealed, Verified
from states.venv.generations.generation import load_generation
from states.venv.generations.store import publish
from states.venv.layout import Store

def wrong(
    store: Store, draft: Draft, populated: Populated, verified: Verified, sealed: Sealed
) -> None:
    verify(draft)
    seal(populated)
    finish(verified)
    publish(store, sealed)
    publish(store, "000001-aaaaaaaa")
    publish(store, load_generation(store, "000001-aaaaaaaa"))
    publish(store, finish(seal(verify(populated))))
"""


def test_wrong_order_is_a_type_error(tmp_path: Path) -> None:
    module = tmp_path / "wrong.py"
    module.write_text(WRONG_ORDER)
    process = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", module],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    errors = re.findall(r"wrong\.py:(\d+): error: .*\[arg-type\]", process.stdout)
    first = WRONG_ORDER.splitlines().index("    verify(draft)") + 1
    assert [int(line) for line in errors] == list(range(first, first + 6)), process.stdout
