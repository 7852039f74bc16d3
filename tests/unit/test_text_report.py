"""Reports as text: symbols carry the meaning, and control characters are escaped."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import pytest

from engine.display import Display, Group
from engine.errors import ConvergeError
from engine.output.report import build_failure
from engine.output.report_schema import ResourceReport
from engine.output.report_text import format_report
from engine.output.text import Paint, format_error, printable
from tests.unit.cli_runner import CliRunner
from tests.unit.widget_kind import Widget, widget_registry


def one_of_each_action(cli: CliRunner) -> CliRunner:
    """Declare and prepare one widget per action."""
    cli.declare_widgets("update", "replace", "repair", "delete", "same")
    cli.run("apply")
    (cli.directory / "repair").write_text(
        json.dumps({**(cli.read_widget("repair") or {}), "damage": "dent\x1b[2J\nscratch"})
    )
    cli.declare_widgets(
        "update", "replace", "repair", "delete", "same", "create",
        update="size = 2", replace='color = "blue"', delete='state = "absent"',
    )  # fmt: skip
    return cli


def test_plan_shows_symbol_address_action_and_changes(cli: CliRunner) -> None:
    directory = cli.directory
    out = one_of_each_action(cli).run("plan").out
    document = cli.run("plan", "--json").report
    # The path is so long that the reason is on the next line.
    assert out == (
        f"~ widget.update   update   {directory}/update\n"
        "    the spec changed\n"
        "    ~ size 1 -> 2\n"
        "\n"
        f"+- widget.replace  replace  {directory}/replace\n"
        "    the spec changed\n"
        "    ~ color red -> blue\n"
        "\n"
        f"! widget.repair   repair   {directory}/repair\n"
        "    the file is damaged\n"
        "    - damage dent\\x1b[2J\\nscratch\n"
        "\n"
        f"- widget.delete   delete   {directory}/delete\n"
        "    declared absent\n"
        "    - color red  (the spec changed)\n"
        "    - size 1  (the spec changed)\n"
        "    - text delete  (the spec changed)\n"
        "\n"
        f"+ widget.create   create   {directory}/create\n"
        "    + color red  (the spec changed)\n"
        "    + size 1  (the spec changed)\n"
        "    + text create  (the spec changed)\n"
        "\n"
        "Plan: 1 to create, 1 to update, 1 to replace, 1 to repair, 1 to delete, 1 unchanged."
        f"  (plan {document['digest'].removeprefix('sha256:')[:8]})\n"
        f"Next: converge apply {directory}/widgets.toml\n"
    )


def test_failure_shows_tool_output_hint_and_skipped_dependents(cli: CliRunner) -> None:
    cli.declare_widgets("a", "b", b='needs = ["widget.a"]')

    def before_apply(spec: Widget) -> None:
        raise ConvergeError("disk \x07full", hint="free\rspace", output="line 1\nline 2\x1b[31m")

    cli.registry = lambda: widget_registry(before_apply=before_apply)
    result = cli.run("apply")
    assert result.out == (
        f"x widget.a  failed   {cli.directory}/a\n"
        "    error: disk \\x07full\n"
        "      line 1\n"
        "      line 2\\x1b[31m\n"
        "    hint: free\\rspace\n"
        "\n"
        f". widget.b  skipped  {cli.directory}/b\n"
        "    depends on widget.a, which failed\n"
        "\n"
        "Apply: 1 failed, 1 skipped, 0 unchanged.\n"
    )


def test_unchanged_resources_are_shown_only_with_verbose(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    cli.run("apply")
    assert cli.run("plan").out == "Plan: no changes; 1 resource is up to date.\n"
    assert "widget.a" in cli.run("plan", "--verbose").out


def test_notices_come_before_the_summary(cli: CliRunner) -> None:
    cli.declare_widgets("a", a='tags = ["notice"]')
    cli.run("apply")
    assert cli.run("plan").out.splitlines() == [
        "note: this widget has a notice", "", "Plan: no changes; 1 resource is up to date.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "character", ["\x1b", "\x9b", "\x07", "\r", "\n", "\b", "\u202e", "\u2028", "\0"]
)
def test_control_characters_are_escaped(cli: CliRunner, character: str) -> None:
    assert character not in printable(f"a{character}b")
    assert printable(f"a{character}b") == f"a{repr(character)[1:-1]}b"
    text = format_error(ConvergeError(f"a{character}b", hint=f"c{character}d"), Paint(on=False))
    assert (len(text.split("\n")), text.count(character)) == (3, 2 if character == "\n" else 0)
    cli.declare_widgets("a")
    cli.run("apply")
    (cli.directory / "a").write_text(json.dumps({"text": f"x{character}widget.z  create"}))
    for arguments in ([], ["--verbose"]):
        out = cli.run("plan", *arguments).out
        assert character not in out.replace("\n", "") or character == "\n"
        assert not [line for line in out.splitlines() if line.startswith("widget.z")]


def test_printable_keeps_letters_of_all_scripts() -> None:
    assert printable("zürich → 東京 🐍") == "zürich → 東京 🐍"


def test_printable_escapes_a_lone_surrogate() -> None:
    assert printable("caf\udce9") == r"caf\udce9"


ESCAPE_SEQUENCE = "\x1b["


@pytest.mark.parametrize(
    ("arguments", "environment", "terminal", "has_color"),
    [
        ([], {}, False, False),
        ([], {}, True, True),
        ([], {"NO_COLOR": "1"}, True, False),
        ([], {"NO_COLOR": ""}, True, True),
        ([], {"FORCE_COLOR": "1"}, False, True),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        (["--color", "always"], {"NO_COLOR": "1"}, False, True),
        (["--color=always"], {}, False, True),
        (["--color", "never"], {"FORCE_COLOR": "1"}, True, False),
        (["--color", "auto"], {}, False, False),
        (["--color", "auto"], {}, True, True),
    ],
)
@pytest.mark.parametrize("outcome", ["a plan", "an invalid declaration", "a usage error"])
def test_color_follows_option_environment_and_terminal(
    cli: CliRunner,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    environment: dict[str, str],
    terminal: bool,
    has_color: bool,
    outcome: str,
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, content in environment.items():
        monkeypatch.setenv(name, content)
    cli.declare_widgets("a", a="zzz = 1" if outcome == "an invalid declaration" else "")
    extra = ["--bogus"] if outcome == "a usage error" else []
    monkeypatch.setenv("TERM", "dumb")  # without a live display
    result = cli.invoke("plan", str(cli.directory / "widgets.toml"), *arguments, *extra,
                    terminal=terminal)  # fmt: skip
    assert (ESCAPE_SEQUENCE in result.out + result.err) is has_color


def test_json_output_has_no_color(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    assert ESCAPE_SEQUENCE not in cli.run("plan", "--json", "--color", "always").out


def test_long_change_lists_are_shortened_without_verbose(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    (cli.directory / "a").write_text(json.dumps({f"damage.{n:03}": "dent" for n in range(60)}))
    out = cli.run("plan").out
    assert "... and 20 more (`--verbose` shows all)" in out
    assert re.findall(r"^    - (\d+)  dent, will be deleted", out, re.MULTILINE) == [
        f"{n:03}" for n in range(40)
    ]
    assert cli.run("plan", "--verbose").out.count("dent, will be deleted") == 60


def test_hidden_attributes_are_shown_only_with_verbose(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    assert "enabled" not in cli.run("plan").out
    assert "    + enabled false" in cli.run("plan", "--verbose").out


@pytest.mark.parametrize(
    ("group", "before", "after", "planned", "applied"),
    [
        (Group("x."), "1", "2", "~ a 1 → 2", "~ a 1 → 3"),
        (Group("x."), None, "2", "+ a 2", "+ a 3"),
        (Group("x."), "1", None, "- a 1", "- a 1"),
        (Group("y."), "1", "2", "~ x.a 1 → 2", "~ x.a 1 → 3"),
        (Group("x.", "condition"), "edited", "2", "~ a  edited, will be restored",
         "~ a  edited, restored"),
        (Group("x.", "condition"), "odd", None, "- a  odd, will be deleted", "- a  odd, deleted"),
        (Group("x.", "condition"), None, "2", "+ a 2", "+ a 3"),
        (Group("x.", "changed"), "1", "2", "~ a changed", "~ a changed"),
        (Group("x.", "changed"), None, "2", "+ a", "+ a"),
    ],
)  # fmt: skip
def test_display_group_selects_the_form_of_a_change(
    group: Group, before: str | None, after: str | None, planned: str, applied: str
) -> None:
    resource: dict[str, Any] = {
        "address": "thing.t", "kind": "thing", "name": "t", "path": None, "description": None, "action": "update",
        "outcome": "would-change", "reason": "", "error": None, "blocked_by": None, "output": "",
        "duration_s": None,
        "changes": [{"attribute": "x.a", "before": before, "after": after, "reason": ""}],
        "observed": {"x.a": "3"} if after else {},
    }  # fmt: skip
    for outcome, line in (("would-change", planned), ("changed", applied)):
        report = build_failure("plan", ConvergeError("none"), 0)
        report["resources"] = [cast("ResourceReport", {**resource, "outcome": outcome})]
        text = format_report(
            report,
            Paint(on=False),
            {"thing": Display(groups=(group,))},
            verbose=before is None or outcome == "changed",
        )
        assert text.splitlines()[1] == f"    {line}"


_NOTICE = "`/srv/web` is held. To resume updates, change its declaration or run: converge rollback FILE web --release"


def _lines_of_failure(width: int | None) -> list[str]:
    report = build_failure("plan", ConvergeError("none"), 0)
    report["notices"] = [_NOTICE]
    failed: dict[str, Any] = {
        "address": "thing.t", "kind": "thing", "name": "t", "path": None, "description": None,
        "action": "none", "outcome": "failed", "reason": "", "blocked_by": None, "output": "",
        "duration_s": None, "changes": [], "observed": {},
        "error": {"message": "word " * 20, "hint": "word " * 20 + "`a command`", "output": ""},
    }  # fmt: skip
    report["resources"] = [cast("ResourceReport", failed)]
    text = format_report(report, Paint(on=False), {"thing": Display()}, width=width)
    return text.splitlines()


def test_sentences_are_folded_between_words_on_a_terminal() -> None:
    lines = _lines_of_failure(60)
    assert max(map(len, lines)) <= 60
    assert lines[-5:-2] == [
        "note: `/srv/web` is held. To resume updates, change its",
        "      declaration or run:",
        "      converge rollback FILE web --release",
    ]
    assert "      `a command`" in lines
    error = ConvergeError("word " * 20, hint="word " * 20)
    folded = format_error(error, Paint(on=False), 40).splitlines()
    assert max(map(len, folded)) <= 40
    assert (
        " ".join(" ".join(folded).split()) == f"error: {'word ' * 20}hint: {'word ' * 20}".strip()
    )


def test_notice_is_one_line_without_a_terminal() -> None:
    assert f"note: {_NOTICE}" in _lines_of_failure(None)
