"""Every declaration that is shown or shipped is one that the command accepts."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import tomli
import tomli_w

from engine.cli import main
from states.__main__ import compose
from tests.docs.pages import ROOT, Block, every

EXAMPLES = sorted(
    path
    for path in (ROOT / "examples").rglob("*.toml")
    if "demo" not in path.parts and not path.name.endswith("pylock.toml")
)
SHOWN = every("toml")
WRONG = "wrong on purpose"
OTHER = "not a declaration"
_FILES = ("requirements", "constraints", "build-constraints")


def _lay_out(folder: Path, declaration: dict[str, object]) -> None:
    """Make the files that a declaration names, empty, as its reader would have them."""
    for table in _venvs(declaration):
        for key in _FILES:
            for name in table.get(key, ()):
                if "://" not in name and not Path(name).is_absolute():
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).touch()
        if lock := table.get("lock"):
            (folder / lock).parent.mkdir(parents=True, exist_ok=True)
            packages = [
                {"name": one, "directory": {"path": "."}} for one in table.get("packages", ())
            ]
            held = {"lock-version": "1.0", "created-by": "x", "packages": packages}
            (folder / lock).write_text(tomli_w.dumps(held))
        for requirement in table.get("packages", ()):
            if local := re.search(r"@ (\.[^;\s]*)", requirement):
                (folder / local[1]).mkdir(parents=True, exist_ok=True)


def _venvs(declaration: dict[str, object]) -> list[dict[str, Any]]:
    tables = declaration.get("venv", {})
    defaults = declaration.get("defaults", {})
    assert isinstance(tables, dict)
    assert isinstance(defaults, dict)
    return [defaults, *tables.values()]


@pytest.mark.parametrize("block", [one for one in SHOWN if one.mark not in (OTHER, WRONG)], ids=str)
def test_page_declaration_is_accepted(
    block: Block, tmp_path: Path, places: object, capsys: pytest.CaptureFixture[str]
) -> None:
    _lay_out(tmp_path, tomli.loads(block.text))
    file = tmp_path / "converge.toml"
    file.write_text(block.text)
    assert main(compose, argv=["graph", str(file)]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("block", [one for one in SHOWN if one.mark == WRONG], ids=str)
def test_page_declaration_marked_wrong_is_rejected(
    block: Block, tmp_path: Path, places: object, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "converge.toml"
    file.write_text(block.text)
    assert main(compose, argv=["graph", str(file)]) == 65


@pytest.mark.parametrize("block", [one for one in SHOWN if one.mark == OTHER], ids=str)
def test_page_other_toml_parses(block: Block) -> None:
    tomli.loads(block.text)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.relative_to(ROOT)))
def test_example_is_accepted(
    file: Path, tmp_path: Path, places: object, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "example"
    shutil.copytree(file.parent, folder, ignore=shutil.ignore_patterns("demo"))
    _lay_out(folder, tomli.loads(file.read_text()))
    assert main(compose, argv=["graph", str(folder / file.name)]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("block", every("json"), ids=str)
def test_page_json_parses(block: Block) -> None:
    json.loads(block.text)
