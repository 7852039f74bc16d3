"""`converge show` with the real kinds: settings of builds, options of files, and secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli

from engine.cli.main import main
from states.__main__ import COMMANDS, build_registry
from tests.unit.cli_runner import restored_process_state

DECLARATION = """\
[venv.web]
path = "web"
packages = ["alpha", "", "beta"]
requirements = ["more.txt"]
build-variables = { CFLAGS = "-O2", API_TOKEN = "hunter22", OTHER_TOKEN = "env:TOKEN" }
extra-build-dependencies = { Flash_Attn = ["torch"] }
package-index-url = { Torch_Vision = "https://index.example/simple" }
files."bin/x" = { content = "#!/bin/sh" }

[command.restart]
argv = ["tool", "--password", "hunter22", "--token=hunter22", "web"]
environment = { DB_PASSWORD = "hunter22", LEVEL = "1", SECRET = "file:secret" }
"""
FILE = """\
gamma --config-settings X=1
--find-links wheels
--extra-index-url https://more.example/simple
"""


@pytest.fixture
def directory(tmp_path: Path, places: tuple[Path, Path]) -> Path:
    """Return a directory with a declaration and a requirement file."""
    (tmp_path / "wheels").mkdir()
    (tmp_path / "converge.toml").write_text(DECLARATION)
    (tmp_path / "more.txt").write_text(FILE)
    return tmp_path


def show(directory: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what `show` prints about all resources."""
    with restored_process_state():
        code = main(
            build_registry, COMMANDS, ["show", str(directory / "converge.toml"), "*", *arguments]
        )
    out, err = capsys.readouterr()
    assert code == 0, err
    return out


def documents(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the documents of the venv and of the command."""
    venv, command = json.loads(show(directory, capsys, "--json"))["resources"]
    return venv, command


def test_settings_of_builds_are_shown_as_declared(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = documents(directory, capsys)[0]["values"]
    assert values["build-variables"]["CFLAGS"] == "-O2"
    assert values["extra-build-dependencies"] == {"flash-attn": ["torch"]}
    assert values["config-settings-package"] == {"gamma": {"X": "1"}}
    assert values["packages"] == ["alpha", "beta"]
    assert values["files"]["bin/x"] == {"content": "#!/bin/sh", "mode": "0755"}


def test_places_lead_to_the_line_of_each_value(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declared, more = str(directory / "converge.toml"), str(directory / "more.txt")
    document = documents(directory, capsys)[0]
    places_by_key = {
        tuple(place["key"]): (place["file"], place["line"], place["column"])
        for place in document["places"]
    }
    assert places_by_key["packages", 1] == (declared, 3, 26)
    assert places_by_key["package-index-url", "torch-vision"] == (declared, 7, 38)
    assert places_by_key["extra-build-dependencies", "flash-attn", 0] == (declared, 6, 44)
    assert places_by_key["files", "bin/x", "content"] == (declared, 8, 29)
    assert places_by_key["files", "bin/x", "mode"] == (None, 0, 0)
    assert places_by_key["config-settings-package", "gamma", "X"] == (more, 1, 0)
    assert places_by_key["find-links", 0] == (more, 2, 0)
    assert places_by_key["extra-index-url", 0] == (more, 3, 0)


def test_values_that_are_named_like_secrets_are_masked(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    venv, command = (document["values"] for document in documents(directory, capsys))
    assert command["argv"] == ["tool", "--password", "****", "--token=****", "web"]
    assert command["environment"] == {
        "DB_PASSWORD": "****",
        "LEVEL": "1",
        "SECRET": f"file:{directory}/secret",
    }
    assert venv["build-variables"]["API_TOKEN"] == "****"
    assert venv["build-variables"]["OTHER_TOKEN"] == "env:TOKEN"
    assert "hunter22" not in show(directory, capsys)


def test_shown_venv_is_a_valid_table(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    venv, command = documents(directory, capsys)
    tables = tomli.loads(show(directory, capsys))
    assert tables == {
        "venv": {"web": venv["values"]},
        "command": {"restart": command["values"]},
    }
