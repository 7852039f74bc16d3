"""The default file, and the explanation of mistakes on the command line."""

from __future__ import annotations

import pytest

from tests.unit.cli_runner import CliRunner


@pytest.fixture
def here(cli: CliRunner, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Run in the project directory."""
    monkeypatch.chdir(cli.directory)
    return cli


@pytest.mark.parametrize("filename", ["converge.toml", "converge.d/widgets.toml"])
def test_default_file_is_in_the_current_directory(here: CliRunner, filename: str) -> None:
    here.declare_widgets("a", filename=filename)
    for command in ("plan", "check", "graph"):
        assert "widget.a" in here.invoke(command).out


def test_missing_file_and_default_is_a_usage_error(here: CliRunner) -> None:
    result = here.invoke("plan")
    assert (result.code, result.out) == (64, "")
    assert "no file is named, and the current directory has no `converge.toml`" in result.err
    assert "hint: name a file, or run `converge init` to write one" in result.err


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["widgets.toml"], "unknown command: `widgets.toml`", "run `converge plan widgets.toml`"),
        (["destroy", "widgets.toml"], "unknown command: `destroy`", 'set `state = "absent"`'),
        (["aply"], "unknown command: `aply`", "did you mean `apply`?"),
        (["--json", "plan", "x.toml"], "precedes the command", "converge plan --json x.toml"),
        (["plan", "--bogus", "widgets.toml"], "unrecognized arguments: --bogus", "--help"),
        (["apply", "--dry", "widgets.toml"], "unknown option: `--dry`", "`--dry-run`"),
        (["apply", "-y", "widgets.toml"], "unknown option: `-y`", "converge never asks"),
        (["plan", "--upgrade", "six", "widgets.toml"], "not a file: `six`",
         "use `--upgrade-package six`"),
        (["plan", "--quiet=yes", "widgets.toml"], "`--quiet` takes no value", "use `--quiet`"),
        (["plan", "-n", "widgets.toml"], "unknown option: `-n`", "`converge plan` changes nothing"),
        (["graph", "--dry", "widgets.toml"], "unknown option: `--dry`", "changes nothing"),
        (["apply", "-V", "widgets.toml"], "unknown option: `-V`", "run `converge --version`"),
        (["apply", "-f", "widgets.toml"], "unknown option: `-f`", "name the file"),
        (["plan", "widgets.toml", "a"], "not a file: `a`", "such as `--only '*.a'`"),
        (["plan", "--only", "a", "widgets.toml"], "`--only a` isn't an address",
         "use `--only widget.a`"),
    ],
)  # fmt: skip
def test_wrong_command_line_is_explained(
    here: CliRunner, arguments: list[str], message: str, hint: str
) -> None:
    here.declare_widgets("a")
    result = here.invoke(*arguments)
    assert result.code == 64
    assert message in result.err
    assert hint in result.err


@pytest.mark.parametrize(
    ("option", "correction"),
    [("--upgrade", "`--upgrade-package six`"), ("--prune", "`--prune`")],
)
def test_value_of_a_flag_is_explained(here: CliRunner, option: str, correction: str) -> None:
    here.declare_widgets("a")
    result = here.invoke("plan", f"{option}=six", "widgets.toml")
    assert result.code == 64
    assert f"`{option}` takes no value: `six`\n  hint: use {correction}\n" in result.err


def test_files_and_options_can_alternate(here: CliRunner) -> None:
    here.declare_widgets("a")
    here.declare_widgets("b", filename="more.toml")
    for arguments in (
        ("widgets.toml", "--jobs", "1", "more.toml"),
        ("--jobs", "1", "widgets.toml", "more.toml", "--quiet"),
        ("widgets.toml", "--quiet", "more.toml", "--jobs=1"),
    ):
        out = here.invoke("plan", *arguments).out
        assert "widget.a" in out
        assert "widget.b" in out
    assert "not a file: `c`" in here.invoke("plan", "widgets.toml", "-v", "c").err


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_version_has_a_short_option(cli: CliRunner, option: str) -> None:
    assert cli.invoke(option).code == 0


@pytest.mark.parametrize("file", ["widgets.toml", "../widgets.toml"])
def test_deleted_working_directory_is_the_reported_cause(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    cli.declare_widgets("a")
    gone = cli.directory / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    result = cli.invoke("plan", file)
    assert (result.code, result.out) == (66, "")
    assert "error: the current directory no longer exists" in result.err
    monkeypatch.chdir(cli.directory)
