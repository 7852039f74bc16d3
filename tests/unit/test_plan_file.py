"""A saved plan is applied exactly, or refused if it is out of date."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from engine import progress
from engine.cli import session
from tests.support.command import Completed
from tests.unit.cli_runner import CliRunner
from tests.unit.widget_kind import Widget, widget_registry


@pytest.fixture
def cli_with_plan(cli: CliRunner) -> CliRunner:
    """Return a CLI runner with two declared widgets and a saved plan to create them."""
    cli.declare_widgets("a", "b")
    assert cli.run("plan", "--out", str(cli.directory / "plan.json")).code == 0
    return cli


def apply(cli: CliRunner, *arguments: str) -> Completed:
    return cli.run("apply", "--json", "--plan", str(cli.directory / "plan.json"), *arguments)


def test_saved_plan_is_applied(cli_with_plan: CliRunner) -> None:
    assert apply(cli_with_plan).outcomes() == {"widget.a": "changed", "widget.b": "changed"}


def test_saved_plan_equals_the_json_report(cli_with_plan: CliRunner) -> None:
    saved = json.loads((cli_with_plan.directory / "plan.json").read_text())
    assert saved == cli_with_plan.run("plan", "--json").report


@pytest.mark.parametrize(
    "change", ["declaration", "secret", "drift", "selection", "already applied"]
)
def test_outdated_plan_exits_80_and_changes_nothing(cli_with_plan: CliRunner, change: str) -> None:
    arguments = []
    if change == "declaration":
        cli_with_plan.declare_widgets("a", "b", b="size = 2")
    if change == "secret":
        cli_with_plan.declare_widgets("a", "b", b='password = "sesame"')
    if change == "drift":
        (cli_with_plan.directory / "a").write_text("not JSON")
    if change == "selection":
        arguments = ["--only", "widget.a"]
    if change == "already applied":
        cli_with_plan.run("apply")
    before = {path.name: path.read_bytes() for path in cli_with_plan.directory.iterdir()}
    result = apply(cli_with_plan, *arguments)
    assert (result.code, result.report["exit"]["class"]) == (80, "stale-plan")
    assert {path.name: path.read_bytes() for path in cli_with_plan.directory.iterdir()} == before


def _outdated(cli: CliRunner) -> str:
    return cli.run("apply", "--plan", str(cli.directory / "plan.json")).err


def test_error_for_outdated_plan_compares_the_plans(cli: CliRunner) -> None:
    """It has the same digits as the plans on the terminal."""
    cli.declare_widgets("a", "b")
    cli.run("apply")
    cli.declare_widgets("a", "b", a="size = 2", b="size = 2")
    saved = cli.run("plan", "--out", str(cli.directory / "plan.json")).out
    cli.declare_widgets("a", "b", "c", b="size = 2")
    current = cli.run("plan").out
    digits = [text.rpartition("(plan ")[2][:8] for text in (saved, current)]
    error = _outdated(cli)
    assert "(saved {}, current {})".format(*digits) in error
    lines = [line.strip() for line in error.splitlines()]
    assert lines[1:5] == [
        "widget.a  saved    update (size 1 -> 2)",
        "current  no change",
        "widget.c  saved    no change",
        "current  create",
    ]


def test_error_for_outdated_plan_shows_differing_creations(cli: CliRunner) -> None:
    cli.declare_widgets("a", a="size = 1")
    cli.run("plan", "--out", str(cli.directory / "plan.json"))
    cli.declare_widgets("a", a="size = 2")
    lines = [line.strip() for line in _outdated(cli).splitlines()]
    assert lines[1:3] == [
        "widget.a  saved    create (size none -> 1)",
        "current  create (size none -> 2)",
    ]


def test_error_for_outdated_plan_shows_no_secret(cli_with_plan: CliRunner) -> None:
    cli_with_plan.declare_widgets("a", "b", b='password = "sesame"')
    error = _outdated(cli_with_plan)
    assert "sesame" not in error
    assert "the changes are the same" in error


@pytest.mark.parametrize("resources", ["null", "[1]", '[{"address": "a", "action": "update"}]'])
def test_incomplete_plan_is_outdated(cli_with_plan: CliRunner, resources: str) -> None:
    """Another version may have written it."""
    plan = cli_with_plan.directory / "plan.json"
    plan.write_text(f'{{"digest": "sha256:00", "resources": {resources}}}')
    assert "out of date" in _outdated(cli_with_plan)


@pytest.mark.parametrize("changed", ["a", "c"])
def test_change_after_plan_verification_is_refused(cli: CliRunner, changed: str) -> None:
    """Another process writes the widget `changed` after the plan was verified."""
    cli.declare_widgets("c")
    cli.run("apply")
    cli.declare_widgets("a", "b", "c")
    cli.run("plan", "--out", str(cli.directory / "plan.json"))
    observations = {"a": 0, "b": 0, "c": 0}

    def before_observe(spec: Widget) -> None:
        name = os.path.basename(spec.path)
        observations[name] += 1
        if name == changed and observations[name] == 2:
            Path(spec.path).write_text('{"text": "dent"}')

    cli.registry = lambda: widget_registry(before_observe=before_observe)
    result = apply(cli)
    assert (result.code, result.report["exit"]["class"]) == (80, "stale-plan")
    outcomes = {"widget.a": "changed", "widget.b": "changed", "widget.c": "unchanged"}
    assert result.outcomes() == {**outcomes, f"widget.{changed}": "failed"}
    assert (
        "after the plan was confirmed: " in result.resource(f"widget.{changed}")["error"]["message"]
    )
    assert cli.read_widget(changed) == {"text": "dent"}


def test_planned_change_made_by_others_is_accepted(cli_with_plan: CliRunner) -> None:
    content = json.dumps({"text": "a", "color": "red", "size": "1", "enabled": "false", "tags": ""})
    observed_names: list[str] = []

    def before_observe(spec: Widget) -> None:
        observed_names.append(os.path.basename(spec.path))
        if observed_names.count("a") == 2 and observed_names[-1] == "a":
            Path(spec.path).write_text(content)

    cli_with_plan.registry = lambda: widget_registry(before_observe=before_observe)
    assert apply(cli_with_plan).outcomes() == {"widget.a": "unchanged", "widget.b": "changed"}


def test_saved_plan_of_standard_input_is_applied(cli: CliRunner) -> None:
    plan, text = str(cli.directory / "plan.json"), f'[widget.a]\npath = "{cli.directory}/a"\n'
    assert cli.run("plan", "--out", plan, "-", stdin=text).code == 0
    result = cli.run("apply", "--json", "--plan", plan, "-", stdin=text)
    assert result.outcomes() == {"widget.a": "changed"}


def test_dry_run_verifies_a_saved_plan(cli_with_plan: CliRunner) -> None:
    assert apply(cli_with_plan, "--dry-run").outcomes() == {
        "widget.a": "would-change",
        "widget.b": "would-change",
    }
    assert cli_with_plan.read_widget("a") is None
    cli_with_plan.declare_widgets("a")
    assert apply(cli_with_plan, "--dry-run").code == 80


def test_plan_verification_and_apply_report_in_sequence(
    cli_with_plan: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    class Listener(progress.Reporter):
        def start(self, total: int = 0) -> None:
            events.append("opened")

        def close(self) -> None:
            events.append("closed")

    monkeypatch.setattr(session, "choose_reporter", lambda *_arguments, **_options: Listener())
    apply(cli_with_plan)
    assert events[:4] == ["opened", "closed", "opened", "closed"]


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"x": 1}', "\xff", "[" * 100_000])
def test_invalid_plan_file_exits_66_and_changes_nothing(
    cli_with_plan: CliRunner, content: str | None
) -> None:
    path = cli_with_plan.directory / "plan.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    assert apply(cli_with_plan).code == 66
    assert cli_with_plan.read_widget("a") is None


@pytest.mark.parametrize("file_type", ["a device", "a symlink", "a pipe", "a directory"])
def test_plan_out_replaces_only_a_regular_file(cli: CliRunner, file_type: str) -> None:
    cli.declare_widgets("a")
    out = cli.directory / "out"
    if file_type == "a device":
        # Create a device for the test, so that a failure can't delete one of the system.
        if os.geteuid() != 0:
            pytest.skip("only root can make a device")
        os.mknod(out, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    if file_type == "a symlink":
        out.symlink_to("elsewhere")
    if file_type == "a pipe":
        os.mkfifo(out)
    if file_type == "a directory":
        out.mkdir()
    before = out.lstat()
    result = cli.run("plan", "--out", str(out))
    assert (result.code, result.out) == (64, "")
    assert f"`--out {out}`: not a regular file" in result.err
    assert out.lstat() == before


def test_plan_with_an_undecodable_name_is_saved_as_printed(cli: CliRunner) -> None:
    cli.declare_widgets("a", filename="caf\udce9.toml")
    file, plan = str(cli.directory / "caf\udce9.toml"), str(cli.directory / "plan.json")
    assert cli.run("apply", file).code == 0
    cli.declare("", "caf\udce9.toml")
    printed = cli.run("plan", "--json", "--allow-empty", "--out", plan, file).report
    assert "caf\udce9.toml" in printed["notices"][0]
    assert json.loads((cli.directory / "plan.json").read_text()) == printed
    assert cli.run("apply", "--allow-empty", "--plan", plan, file).code == 0


@pytest.mark.parametrize("out", ["gone/plan.json", ""])
def test_plan_out_requires_an_existing_directory(cli: CliRunner, out: str) -> None:
    cli.declare_widgets("a")
    cli.registry = lambda: widget_registry(before_observe=_fail_on_observe)
    result = cli.run("plan", "--out", out and str(cli.directory / out))
    assert result.code == 64
    assert "not a file in an existing directory" in result.err


@pytest.mark.parametrize("name", ["widgets.toml", "read.txt"])
def test_plan_out_never_replaces_an_input(cli: CliRunner, name: str) -> None:
    cli.declare_widgets("a", a=f'read-from = "{name}"')
    (cli.directory / "read.txt").write_text("not JSON")
    cli.registry = lambda: widget_registry(before_observe=_fail_on_observe)
    before = (cli.directory / name).read_bytes()
    result = cli.run(
        "plan", "--out", str(cli.directory / name), str(cli.directory / "widgets.toml")
    )
    assert result.code == 64
    assert f"`--out {cli.directory / name}`: the file exists and isn't a saved plan" in result.err
    assert (cli.directory / name).read_bytes() == before


def test_plan_out_replaces_a_plan_or_an_empty_file(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    out = cli.directory / "plan.json"
    out.touch()
    assert cli.run("plan", "--out", str(out)).code == 0
    assert cli.run("plan", "--out", str(out)).code == 0


@pytest.mark.parametrize("name", ["", ".", "gone.json"])
def test_invalid_plan_path_is_refused_before_observing(cli: CliRunner, name: str) -> None:
    cli.declare_widgets("a")
    cli.registry = lambda: widget_registry(before_observe=_fail_on_observe)
    assert cli.run("apply", "--plan", name and str(cli.directory / name)).code == 66


def _fail_on_observe(spec: Widget) -> None:
    raise AssertionError(f"{spec.path} was observed")
