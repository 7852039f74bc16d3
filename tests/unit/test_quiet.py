"""`--quiet` prints nothing unless something fails. JSON and exit codes don't depend on it."""

from __future__ import annotations

import json

import pytest

from engine import progress
from engine.errors import ConvergeError
from tests.unit.cli_runner import CliRunner
from tests.unit.widget_kind import Widget, widget_registry


def _fails(spec: Widget) -> None:
    progress.step("working")
    if spec.path.endswith("/bad"):
        raise ConvergeError("jammed", hint="loosen it", output="tool output")


@pytest.mark.parametrize("command", ["check", "apply"])
def test_success_is_silent_with_and_without_changes(cli: CliRunner, command: str) -> None:
    cli.declare_widgets("a", a='tags = ["notice"]')
    cli.registry = lambda: widget_registry(before_apply=_fails)
    for _ in range(2):
        result = cli.run(command, "--quiet")
        assert (result.out, result.err) == ("", "")
        cli.run("apply")


def test_plan_is_printed_only_with_changes(cli: CliRunner) -> None:
    cli.declare_widgets("a", a='tags = ["notice"]')
    result = cli.run("plan", "--quiet")
    shown, _, hint = cli.run("plan").out.rpartition("Next: ")
    assert (result.out, result.err) == (shown, "")
    assert hint.startswith("converge apply ")
    assert "+ widget.a" in result.out
    cli.run("apply")
    assert cli.run("plan", "--quiet").out == ""


def test_drift_is_silent_but_sets_the_exit_code(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    assert (cli.run("check", "-q").code, cli.run("check", "-q").out) == (2, "")
    assert cli.run("plan", "-q", "--detailed-exitcode").code == 2


def test_failure_prints_only_failed_resources(cli: CliRunner) -> None:
    cli.declare_widgets("bad", "b", "good", b='needs = ["widget.bad"]')
    cli.registry = lambda: widget_registry(before_apply=_fails)
    result = cli.run("apply", "--quiet")
    assert (result.code, result.err) == (1, "")
    for shown in ("widget.bad", "jammed", "tool output", "loosen it", "widget.b ", "1 failed"):
        assert shown in result.out
    assert "widget.good" not in result.out


def test_errors_of_the_whole_run_are_printed(cli: CliRunner) -> None:
    cli.declare("[widget.a]\npth = 1\n")
    result = cli.run("plan", "--quiet")
    assert (result.code, result.out) == (65, "")
    assert "`pth`" in result.err


def test_json_is_the_same_document(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    assert cli.run("plan", "--quiet", "--json").out == cli.run("plan", "--json").out
    assert json.loads(cli.run("plan", "--quiet", "--json").out)["changed"] is True
