"""The command line: arguments, exit codes, and output streams."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine import __version__
from engine.errors import ConvergeError
from tests.support.command import Converge
from tests.unit.cli_runner import CliRunner, changes_of
from tests.unit.widget_kind import Widget, widget_registry


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan"],
        ["aply", "x.toml"],
        ["plan", "--bogus", "x.toml"],
        ["plan", "--js", "x.toml"],
        ["plan", "--jobs", "0", "x.toml"],
        ["plan", "--jobs", "many", "x.toml"],
        ["plan", "--jobs", "²", "x.toml"],
        ["plan", "--jobs", "-1", "x.toml"],
        ["apply", "--lock-timeout", "soon", "x.toml"],
        ["apply", "--lock-timeout", "nan", "x.toml"],
        ["apply", "--lock-timeout=-1", "x.toml"],
        ["apply", "--color", "pink", "x.toml"],
        ["apply", "--only"],
        ["plan", "--upgrade-package", "", "x.toml"],
        ["plan", "--upgrade-package=", "x.toml"],
        ["plan", "--upgrade-package", "x,y", "x.toml"],
        ["--bogus", "plan", "x.toml"],
        ["--bogus"],
        ["schema", "everything"],
        ["graph", "--format", "png", "x.toml"],
        ["version", "x"],
    ],
)
def test_cli_usage_error_exits_64(cli: CliRunner, arguments: list[str]) -> None:
    result = cli.invoke(*arguments)
    assert (result.code, result.out) == (64, "")
    assert result.err.startswith("error: ")


def test_unknown_command_suggests_the_closest_one(cli: CliRunner) -> None:
    for arguments in (["aply"], ["help", "aply"], ["--bogus", "aply"]):
        result = cli.invoke(*arguments)
        assert (result.code, result.out) == (64, "")
        assert result.err == "error: unknown command: `aply`\n  hint: did you mean `apply`?\n"
    assert "hint: commands: plan, apply, check" in cli.invoke("zebra").err


def test_usage_error_points_to_the_help_of_its_command(cli: CliRunner) -> None:
    error = cli.invoke("plan", "x.toml", "--bogus").err
    assert error == (
        "error: unrecognized arguments: --bogus\n  hint: for usage, run `converge plan --help`\n"
    )


def test_cli_usage_error_is_reported_as_json(cli: CliRunner) -> None:
    result = cli.invoke("plan", "--json", "--bogus", "x.toml")
    assert (result.code, result.report["exit"]["class"]) == (64, "usage")
    assert "--bogus" in result.report["error"]["message"]


def test_check_usage_error_exits_1_not_2(cli: CliRunner) -> None:
    result = cli.invoke("check", "--json", "--prune", "x.toml")
    assert (result.code, result.report["exit"]["class"]) == (1, "usage")
    assert cli.invoke("--quiet", "check", "x.toml").code == 1


def test_cli_missing_file_exits_66(cli: CliRunner) -> None:
    result = cli.invoke("apply", "--json", str(cli.directory / "gone.toml"))
    assert (result.code, result.report["exit"]["class"]) == (66, "no-input")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_every_command(cli: CliRunner, arguments: list[str]) -> None:
    result = cli.invoke(*arguments)
    assert result.code == 0
    for command in ("plan", "apply", "check", "validate", "graph", "show", "schema", "version"):
        assert f"\n  {command} " in result.out


@pytest.mark.parametrize(
    "command", ["plan", "apply", "check", "validate", "graph", "show", "schema", "version"]
)
def test_every_command_has_its_own_help(cli: CliRunner, command: str) -> None:
    result = cli.invoke(command, "--help")
    assert result.code == 0
    assert result.out.startswith(f"usage: converge {command}")
    assert cli.invoke("help", command).out == result.out


def test_help_shows_exit_codes_and_examples(cli: CliRunner) -> None:
    out = cli.invoke("check", "--help").out
    assert "\nCheck for drift, and exit with 0 (none), 2 (drift), or 1 (error).\n" in out
    assert "\nexit codes:\n  0     every resource matches the declaration\n" in out
    assert "\nexamples:\n  converge check --quiet site.toml" in out


@pytest.mark.parametrize("command", [(), ("apply",), ("plan",), ("check",), ("schema",)])
def test_help_fits_a_narrow_terminal(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    wide = cli.invoke(*command, "--help").out
    monkeypatch.setattr("engine.cli.parser.output_width", lambda _stream: 80)
    narrow = cli.invoke(*command, "--help").out

    assert max(map(len, narrow.splitlines())) <= 80
    assert narrow.split() == wide.split()


def test_run_without_help_looks_up_no_terminal_width(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups: list[object] = []
    monkeypatch.setattr("engine.cli.parser.output_width", lookups.append)
    cli.declare_widgets("a")

    assert cli.run("apply").code == 0
    assert lookups == []


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_help_lists_the_exit_code_of_every_error(cli: CliRunner, command: str) -> None:
    listed = re.findall(r"^  (\d+) ", cli.invoke(command, "--help").out, re.MULTILINE)
    classes: list[type[ConvergeError]] = [ConvergeError, *ConvergeError.__subclasses__()]
    shipped = {error.code for error in classes if error.__module__.startswith("engine.")}
    assert set(map(int, listed)) == {0, 2} | shipped


def test_short_options_match_the_long_ones(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    plan = cli.run("plan", "--verbose", "--jobs", "2").out
    assert cli.run("apply", "-n", "-v", "-j2").out == plan
    assert cli.run("plan", "-q").out == cli.run("plan", "--quiet").out
    assert cli.run("check", "-q").out == ""
    assert cli.read_widget("a") is None


@pytest.mark.parametrize("arguments", [["--version"], ["version"]])
def test_version_prints_the_version(cli: CliRunner, arguments: list[str]) -> None:
    assert cli.invoke(*arguments).out == f"{__version__}\n"


def test_only_selects_a_resource_and_its_dependencies(cli: CliRunner) -> None:
    cli.declare_widgets("a", "b", "c", b='needs = ["widget.a"]')
    assert cli.run("apply", "--json", "--only", "widget.b").outcomes() == {
        "widget.a": "changed",
        "widget.b": "changed",
    }
    assert cli.read_widget("c") is None


def test_only_accepts_patterns_and_is_repeatable(cli: CliRunner) -> None:
    cli.declare_widgets("aa", "ab", "b", "c")
    result = cli.run("plan", "--json", "--only", "widget.a*", "--only", "widget.c")
    assert list(result.outcomes()) == ["widget.aa", "widget.ab", "widget.c"]


def test_only_rejects_undeclared_resources(cli: CliRunner) -> None:
    cli.declare_widgets("first", "b")
    result = cli.run("plan", "--only", "widget.frist")
    assert result.code == 64
    assert "hint: did you mean `widget.first`?" in result.err
    assert (
        "hint: declared resources: widget.first, widget.b" in cli.run("plan", "--only", "zzz").err
    )


def test_dry_run_prints_the_same_report_as_plan(cli: CliRunner) -> None:
    cli.declare_widgets("a", "b")
    planned, dry = cli.run("plan", "--json"), cli.run("apply", "--dry-run", "--json")
    assert planned.report == dry.report
    assert cli.read_widget("a") is None


def test_upgrade_leaves_the_following_file_argument(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    file = str(cli.directory / "widgets.toml")
    assert cli.invoke("plan", "--upgrade", file).code == 0
    assert cli.invoke("plan", "--upgrade-package", "x", "--upgrade-package=y", file).code == 0


def test_cli_bug_prints_its_traceback_and_exits_70(cli: CliRunner) -> None:
    cli.declare_widgets("a")

    def before_apply(spec: Widget) -> None:
        raise ZeroDivisionError(spec.path)

    cli.registry = lambda: widget_registry(before_apply=before_apply)
    result = cli.run("apply")
    assert (result.code, result.out) == (70, "")
    assert "ZeroDivisionError" in result.err
    assert result.err.splitlines()[-1].startswith(
        "error: this is a bug in converge; please report it"
    )


def test_cli_interrupt_prints_no_traceback(cli: CliRunner) -> None:
    cli.declare_widgets("a")

    def before_apply(_spec: Widget) -> None:
        raise KeyboardInterrupt

    cli.registry = lambda: widget_registry(before_apply=before_apply)
    result = cli.run("apply")
    assert (result.code, result.out) == (130, "")
    assert (
        result.err.splitlines()[-1]
        == "error: interrupted by SIGINT; to continue, run the command again"
    )
    assert "Traceback" not in result.err


def test_cli_prints_result_to_stdout_and_progress_to_stderr(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    result = cli.run("apply", "--json", "--verbose")
    assert result.report["changed"]
    result = cli.run("apply")
    assert (result.out, result.err) == ("Apply: no changes; 1 resource is up to date.\n", "")


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """Return a declaration of links with a report longer than any buffer."""
    (tmp_path / "target").touch()
    file = tmp_path / "links.toml"
    table = '[link."{0}/l{1}"]\nto = "{0}/target"\n'
    file.write_text("".join(table.format(tmp_path, n) for n in range(40)))
    return file


CLOSED_OUTPUT = {
    "stdout pipe closed": '{ "$@"; echo $? >code; } | true',
    "both pipes closed": '{ "$@"; echo $? >code; } 2>&1 | true',
    "stdout closed": '"$@" >&-; echo $? >code',
    "stderr closed": '"$@" >/dev/null 2>&-; echo $? >code',
    "all closed": '"$@" <&- >&- 2>&-; echo $? >code',
}


@pytest.mark.parametrize("redirection", CLOSED_OUTPUT)
def test_exit_code_is_the_same_if_output_is_closed(
    converge: Converge, links: Path, redirection: str
) -> None:
    def code(*arguments: str) -> int:
        subprocess.run(
            ["sh", "-c", CLOSED_OUTPUT[redirection], "sh", *converge.argv(*arguments, links)],
            env=converge.environment(),
            cwd=links.parent,
            check=True,
            capture_output=True,
        )
        return int((links.parent / "code").read_text())

    converge.home.mkdir()
    assert code("check", "--json") == 2
    assert code("check") == 2
    assert code("apply", "--json", "--verbose") == 0
    assert (links.parent / "l39").is_symlink()
    (links.parent / "l39").unlink()
    (links.parent / "l39").mkdir()
    assert code("apply", "--json") == 1
    assert code("aply") == 64


def test_cli_reports_a_full_disk_on_stdout(converge: Converge, links: Path) -> None:
    converge.home.mkdir()
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            converge.argv("apply", "--json", links),
            stdout=full,
            stderr=subprocess.PIPE,
            env=converge.environment(),
            check=False,
        )
    assert (result.returncode, result.stderr.splitlines()[0]) == (
        73,
        b"error: no space left on device",
    )
    assert (links.parent / "l39").is_symlink()


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_cli_output_works_in_limited_encodings(
    converge: Converge, tmp_path: Path, arguments: list[str]
) -> None:
    file = tmp_path / "links.toml"
    (tmp_path / "l").symlink_to(os.fsdecode(b"caf\xe9"))
    (tmp_path / "zürich").touch()
    file.write_text(f'[link."{tmp_path}/l"]\nto = "{tmp_path}/zürich"\n')
    for encoding in ("ascii", "latin-1", "utf-8"):
        result = subprocess.run(
            converge.argv("plan", *arguments, file),
            capture_output=True,
            env=converge.environment({"PYTHONIOENCODING": encoding}),
            cwd=tmp_path,
            check=False,
        )
        assert (result.returncode, result.stderr) == (0, b"")
        assert b"rich" in result.stdout
        if arguments:
            (resource,) = json.loads(result.stdout)["resources"]
            assert changes_of(resource)["to"] == ("caf\udce9", f"{tmp_path}/zürich")


def test_path_bytes_do_not_depend_on_the_locale(converge: Converge, tmp_path: Path) -> None:
    (tmp_path / "links.toml").write_text(f'[link."{tmp_path}/Łódź"]\nto = "/tmp"\n')
    c_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = converge("apply", tmp_path / "links.toml", env=c_locale)
    assert (result.code, result.err) == (0, "")
    assert (tmp_path / "Łódź").is_symlink()
    assert converge("check", tmp_path / "links.toml").code == 0


def test_command_runs_the_module_of_this_interpreter(converge: Converge) -> None:
    assert converge("version").out == f"{__version__}\n"
    assert sys.executable == converge.python
