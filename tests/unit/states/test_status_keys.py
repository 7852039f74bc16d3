"""`status --json` contains each declared key, in the form of the declaration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli.main import main
from states.__main__ import COMMANDS, build_registry
from tests.unit.cli_runner import restored_process_state

_DECLARATION = """
[venv.web]
path = "web"
python = "3"
packages = ["lxml"]
build-variables = { CFLAGS = "-O2", TOKEN = "env:TOKEN" }
config-settings-package = { LXML = { without = ["a", "b"] } }

[venv.web.files."bin/start"]
content = "start"
mode = "0750"

[venv.web.files."etc/current"]
link = "bin/start"
"""


def test_status_contains_nested_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Normalizing moves build settings into one text, and turns files into instances."""
    monkeypatch.setenv("CONVERGE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CONVERGE_CACHE_DIR", str(tmp_path / "cache"))
    file = tmp_path / "site.toml"
    file.write_text(_DECLARATION, encoding="utf-8")

    with restored_process_state():
        code = main(build_registry, COMMANDS, ["status", "--json", str(file)])

    assert code == 0
    (row,) = json.loads(capsys.readouterr().out)["venvs"]
    assert row["declared"] == {
        "path": str(tmp_path / "web"),
        "packages": ["lxml"],
        "build-variables": {"CFLAGS": "-O2", "TOKEN": "env:TOKEN"},
        "config-settings-package": {"lxml": {"without": ["a", "b"]}},
        "files": {
            "bin/start": {"content": "start", "mode": "0750"},
            "etc/current": {"link": "bin/start"},
        },
    }
