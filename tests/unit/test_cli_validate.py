"""`converge validate` reports every error of a declaration, and reads nothing else."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from tests.unit.cli_runner import CliRunner
from tests.unit.widget_kind import Widget, widget_registry


def test_valid_declaration_is_counted(cli: CliRunner) -> None:
    cli.declare_widgets("a", "b", filename="declared/ab.toml")
    cli.declare_widgets("c", filename="declared/c.toml")
    result = cli.invoke("validate", str(cli.directory / "declared"))
    assert (result.code, result.out, result.err) == (0, "Valid: 3 resources in 2 files.\n", "")
    result = cli.invoke("validate", str(cli.directory / "declared/c.toml"))
    assert result.out == "Valid: 1 resource in 1 file.\n"


def test_all_errors_of_all_files_are_reported_with_their_places(cli: CliRunner) -> None:
    cli.declare('[widget.a]\npath = 1\nbogus = "x"\n', "declared/a.toml")
    cli.declare('[widget.b]\npath = "b"\nbogus = "x"\n', "declared/b.toml")
    result = cli.invoke("validate", str(cli.directory / "declared"))
    assert (result.code, result.out) == (65, "")
    for place in ("a.toml:2:", "a.toml:3:", "b.toml:3:"):
        assert place in result.err


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ('[widget.a]\npath = "a"\nneeds = ["widget.gone"]\n', "widget.gone"),
        ('[widget.a]\npath = "a"\nneeds = ["widget.a"]\n', "cycle"),
        ("# rendered from nothing\n", "declares nothing"),
        ("[widget.a\n", "widgets.toml:1:"),
    ],
)
def test_errors_between_resources_are_reported(
    cli: CliRunner, declaration: str, message: str
) -> None:
    cli.declare(declaration)
    result = cli.run("validate", "--quiet")
    assert (result.code, result.out) == (65, "")
    assert message in result.err


def test_quiet_prints_nothing_for_a_valid_declaration(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    result = cli.run("validate", "-q")
    assert (result.code, result.out, result.err) == (0, "", "")


def test_json_of_each_outcome_has_common_keys(cli: CliRunner) -> None:
    path = cli.declare_widgets("a", "b")
    valid = json.loads(cli.run("validate", "--json", "--quiet").out)
    assert valid["files"] == {str(path): ["widget.a", "widget.b"]}
    assert valid["exit"] == {"code": 0, "class": "ok", "retryable": False}

    cli.declare("[widget.a]\npath = 1\nbogus = 2\n")
    invalid = json.loads(cli.run("validate", "--json").out)
    assert invalid["exit"]["code"] == 65
    assert [problem["line"] for problem in invalid["problems"]] == [2, 3]
    common = {"format_version", "command", "problems", "exit"}
    assert common <= set(valid) & set(invalid)
    assert valid["command"] == invalid["command"] == "validate"


def test_validate_observes_no_resource(cli: CliRunner, places: tuple[Path, Path]) -> None:
    def fail(_spec: Widget) -> None:
        raise OSError(errno.EIO, "unreadable")

    cli.declare_widgets("a")
    cli.registry = lambda: widget_registry(before_observe=fail)
    assert cli.run("check").code == 1
    assert cli.run("validate").code == 0
    assert not places[1].exists() or not any(places[1].iterdir())


def test_empty_declaration_is_valid_if_allowed(cli: CliRunner) -> None:
    cli.declare("")
    assert cli.run("validate", "--allow-empty").out == "Valid: 0 resources in 1 file.\n"


def test_standard_input_is_validated(cli: CliRunner) -> None:
    assert cli.invoke("validate", "-", stdin='[widget.a]\npath = "a"\n').code == 0
    result = cli.invoke("validate", "-", stdin="[widget.a]\npath = 1\n")
    assert result.code == 65
    assert "<stdin>:2:" in result.err


def test_name_hint_has_no_option_of_others(cli: CliRunner) -> None:
    path = str(cli.declare_widgets("a"))
    error = cli.invoke("validate", path, "a").err
    assert "not a file: `a`" in error
    assert "--only" not in error
