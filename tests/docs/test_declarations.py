"""converge accepts the declarations on the pages and in the examples."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import tomli
import tomli_w

from engine.cli.main import main
from states.__main__ import build_registry
from tests.docs.pages import ROOT, Block, all_blocks

EXAMPLES = sorted(
    path
    for path in (ROOT / "examples").rglob("*.toml")
    if "demo" not in path.parts and not path.name.endswith("pylock.toml")
)
SHOWN = all_blocks("toml")
WRONG = "wrong on purpose"
OTHER = "not a declaration"
_FILES = ("requirements", "constraints", "build-constraints")


def _create_referenced_files(directory: Path, declaration: dict[str, object]) -> None:
    """Create the files that a declaration names, without content."""
    for table in _venvs(declaration):
        for key in _FILES:
            for name in table.get(key, ()):
                if "://" not in name and not Path(name).is_absolute():
                    (directory / name).parent.mkdir(parents=True, exist_ok=True)
                    (directory / name).touch()
        for entry in table.get("files", {}).values():
            if name := entry.get("from"):
                (directory / name).touch()
        _create_lockfiles(directory, table)
        for requirement in table.get("packages", ()):
            if local := re.search(r"@ (\.[^;\s]*)", requirement):
                (directory / local[1]).mkdir(parents=True, exist_ok=True)


def _create_lockfiles(directory: Path, table: dict[str, Any]) -> None:
    for name in filter(None, (*table.get("requirements", ()), table.get("lock", ""))):
        if Path(name).name in ("pyproject.toml", "uv.lock"):
            _create_project(directory / Path(name).parent, table)
        elif name == table.get("lock"):
            _create_lockfile(directory / name, table.get("packages", ()))


def _create_lockfile(path: Path, names: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    packages = [{"name": name, "directory": {"path": "."}} for name in names]
    content = {"lock-version": "1.0", "created-by": "x", "packages": packages}
    path.write_text(tomli_w.dumps(content))


def _create_project(directory: Path, table: dict[str, Any]) -> None:
    """Create a project without requirements, and its lockfile, with the names that are selected."""
    directory.mkdir(parents=True, exist_ok=True)
    name = table.get("workspace-member", "web")
    groups = {group: list[str]() for group in table.get("groups", ())}
    extras = {extra: list[str]() for extra in table.get("extras", ())}
    project = {"name": name, "version": "1", "optional-dependencies": extras}
    document = {"project": project, "dependency-groups": groups}
    (directory / "pyproject.toml").write_text(tomli_w.dumps(document))
    metadata = {"provides-extras": list(extras), "requires-dev": groups}
    package = {"name": name, "source": {"editable": "."}, "metadata": metadata}
    (directory / "uv.lock").write_text(tomli_w.dumps({"version": 1, "package": [package]}))


def _venvs(declaration: dict[str, object]) -> list[dict[str, Any]]:
    tables = declaration.get("venv", {})
    defaults = declaration.get("defaults", {})
    assert isinstance(tables, dict)
    assert isinstance(defaults, dict)
    return [defaults, *tables.values()]


@pytest.mark.parametrize(
    "block", [block for block in SHOWN if block.mark not in (OTHER, WRONG)], ids=str
)
def test_page_declaration_is_accepted(
    block: Block, tmp_path: Path, places: object, capsys: pytest.CaptureFixture[str]
) -> None:
    _create_referenced_files(tmp_path, tomli.loads(block.text))
    file = tmp_path / "converge.toml"
    file.write_text(block.text)
    assert main(build_registry, argv=["validate", str(file)]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("block", [block for block in SHOWN if block.mark == WRONG], ids=str)
def test_page_declaration_marked_wrong_is_rejected(
    block: Block, tmp_path: Path, places: object, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "converge.toml"
    file.write_text(block.text)
    assert main(build_registry, argv=["validate", str(file)]) == 65


@pytest.mark.parametrize("block", [block for block in SHOWN if block.mark == OTHER], ids=str)
def test_page_other_toml_parses(block: Block) -> None:
    tomli.loads(block.text)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.relative_to(ROOT)))
def test_example_is_accepted(
    file: Path, tmp_path: Path, places: object, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "example"
    shutil.copytree(file.parent, directory, ignore=shutil.ignore_patterns("demo"))
    _create_referenced_files(directory, tomli.loads(file.read_text()))
    assert main(build_registry, argv=["validate", str(directory / file.name)]) == 0, (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("block", all_blocks("json"), ids=str)
def test_page_json_parses(block: Block) -> None:
    json.loads(block.text)
