"""Reports of many resources: equal changes once, new ones in columns, and one line when done."""

from __future__ import annotations

from typing import Any, cast

from engine.display import Display, Group
from engine.errors import ConvergeError
from engine.output.change_text import fill
from engine.output.report import build_failure
from engine.output.report_schema import ResourceReport
from engine.output.report_text import format_report
from engine.output.text import Paint
from tests.unit.cli_runner import CliRunner

_DISPLAYS = {
    "box": Display(
        groups=(Group("part.", noun="part"),),
        hidden=frozenset({"id"}),
        defaults=frozenset({("mode", "0755")}),
        headline=("core", lambda core: f"Core {core.partition(' ')[0]}"),
    ),
    "bell": Display(runs=True),
}


def _resource(address: str, action: str, changes: dict[str, Any], **values: Any) -> ResourceReport:
    kind, _, name = address.partition(".")
    entry = {
        "address": address, "kind": kind, "name": name, "path": f"/srv/{name}", "description": None, "action": action,
        "outcome": "would-change", "reason": "due", "error": None, "blocked_by": None,
        "observed": None, "output": "", "duration_s": None,
        "changes": [
            {"attribute": attribute, "before": before, "after": after, "reason": "due"}
            for attribute, (before, after) in changes.items()
        ],
        **values,
    }  # fmt: skip
    return cast("ResourceReport", entry)


def _text(*resources: ResourceReport, verbose: bool = False, width: int = 72) -> list[str]:
    report = build_failure("plan", ConvergeError("done"), 0)
    report["resources"] = list(resources)
    text = format_report(report, Paint(on=False), _DISPLAYS, verbose=verbose, width=width)
    return text.splitlines()[:-2]  # without the summary


_NEW = {
    "id": (None, "x"), "mode": (None, "0755"), "core": (None, "3.1 /usr/bin/core"),
    "part.a": (None, "1"), "part.b": (None, "2"),
}  # fmt: skip


def test_equal_changes_of_many_resources_fit_on_a_screen() -> None:
    """One new version in 60 resources, each with a command that watches it."""
    boxes = [_resource(f"box.b{n:02}", "update", {"part.a": ("1", "2")}) for n in range(60)]
    bells = [_resource(f"bell.r{n:02}", "update", {}, path=None) for n in range(60)]
    mixed = [resource for pair in zip(boxes, bells, strict=True) for resource in pair]
    lines = _text(*mixed)
    assert len(lines) < 10
    assert lines[0] == "~ 60 boxs   update  due"
    assert lines[1].startswith("    b00, b01, ")
    assert lines[2].endswith("more (`--verbose` shows all)")
    assert lines[3] == "    ~ a 1 → 2"
    assert lines[5] == "» 60 bells  run     due"
    assert len([line for line in _text(*mixed, verbose=True) if "~ a 1 → 2" in line]) == 60


def test_resources_with_other_changes_are_shown_by_themselves() -> None:
    boxes = [_resource(f"box.{n}", "update", {"part.a": ("1", n)}) for n in "2223"]
    boxes.append(_resource("box.4", "update", {"part.a": ("1", "2")}, reason="other"))
    lines = _text(*boxes)
    assert [line.split()[1] for line in lines if line.startswith("~")] == ["3", "box.3", "box.4"]


def test_new_resource_shows_many_members_in_columns() -> None:
    assert _text(_resource("box.a", "create", _NEW)) == [
        *("+ box.a  create  /srv/a  Core 3.1", "    + a 1", "    + b 2"),
    ]
    more = {**_NEW, **{f"part.{name}": (None, "3") for name in "cdef"}}
    assert _text(_resource("box.a", "create", more)) == [
        "+ box.a  create  /srv/a  Core 3.1",
        "    6 parts: a 1, b 2, c 3, d 3, e 3, f 3",
    ]
    other_mode = {**_NEW, "mode": (None, "0700")}
    assert "    + mode 0700" in _text(_resource("box.a", "create", other_mode))


def test_verbose_shows_every_attribute_on_a_line_of_its_own() -> None:
    lines = _text(_resource("box.a", "create", _NEW), verbose=True)
    for line in ("+ id x", "+ mode 0755", "+ core 3.1 /usr/bin/core", "+ a 1", "+ b 2"):
        assert f"    {line}" in lines


def test_finished_change_takes_one_line() -> None:
    done = {"outcome": "changed", "duration_s": 6.24, "observed": {}}
    many = {f"part.{n}": ("1", "2") for n in range(5)}
    assert _text(
        _resource("box.a", "create", _NEW, **done),
        _resource("box.b", "update", {"part.six": (None, "1.17")}, **done),
        _resource("box.c", "update", many, **done),
        _resource("bell.d", "update", {}, **done, output="rang"),
        width=100,
    ) == [
        "+ box.a   created      6.2 s  Core 3.1, 2 parts",
        "~ box.b   updated      6.2 s  + six 1.17",
        "~ box.c   updated      6.2 s  ~ 0 1 → 2, ~ 1 1 → 2, ~ 2 1 → 2, and 2 more",
        "» bell.d  executed     6.2 s",
        "    | rang",
    ]  # fmt: skip


def test_remark_moves_to_its_own_line_if_the_terminal_is_narrow() -> None:
    resource = _resource("box.a", "update", {"part.a": ("1", "2")}, reason="x" * 40)
    assert _text(resource, width=60)[1] == "    " + "x" * 40
    assert _text(resource, width=80)[0].endswith("x" * 40)


def test_reasons_are_shown_once_and_defaults_not_at_all() -> None:
    box = _resource("box.web", "replace", dict(_NEW, path=("foreign", "/srv/web")))
    for change, reason in zip(box["changes"], ["hidden", "", "", "due", "due", "new"], strict=True):
        change["reason"] = reason
    box["reason"] = "hidden, due, new"

    assert _text(box) == [
        "± box.web  replace  /srv/web  hidden",
        "    + core 3.1 /usr/bin/core",
        "    ~ path foreign → /srv/web  (new)",
        "    + a 1  (due)",
        "    + b 2  (due)",
    ]


def test_folded_summary_keeps_the_sign_of_a_change_with_its_name() -> None:
    done = {"outcome": "changed", "duration_s": 6.24, "observed": {}}
    changes = {f"part.{'x' * n}": ("1", "2") for n in (10, 12, 14)}
    lines = _text(_resource("box.a", "update", changes, **done), width=30)
    assert lines[1:] == [
        "    ~ xxxxxxxxxx 1 → 2,",
        "    ~ xxxxxxxxxxxx 1 → 2,",
        "    ~ xxxxxxxxxxxxxx 1 → 2",
    ]


def test_long_remark_is_wrapped_between_its_parts() -> None:
    reason = "another version was selected, because these changed: the requirement of `long-name`"
    lines = _text(_resource("box.a", "update", {}, reason=reason), width=60)
    assert lines == [
        "~ box.a  update  /srv/a",
        "    another version was selected, because these changed: the",
        "    requirement of `long-name`",
    ]


def test_fill_counts_items_that_do_not_fit() -> None:
    assert fill(["a", "b"], 20, 2) == ["a, b"]
    lines = fill([f"item{n}" for n in range(100)], 60, 2)
    assert len(lines) == 2
    assert max(map(len, lines)) <= 60
    shown = sum(line.count("item") for line in lines)
    assert f"and {100 - shown} more" in lines[-1]


def test_headings_are_bold_and_colored(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    out = cli.run("plan", "--color", "always").out
    assert out.startswith("\x1b[1;32m+ widget.a  create\x1b[0m")
    assert "\x1b[1mPlan: 1 to create, 0 unchanged.\x1b[0m" in out


def _failed(name: str, output: str, message: str = "it failed") -> ResourceReport:
    error = {"code": 1, "message": message, "hint": "install it", "output": output}
    return _resource(f"box.{name}", "create", {}, outcome="failed", error=error)


def test_equal_errors_show_their_output_once() -> None:
    """A later one has only the lines that the first one doesn't have."""
    log = "one\ntwo\nthree\nfour"
    lines = _text(_failed("a", f"a.toml:1\n{log}"), _failed("b", f"a.toml:2\n{log}"))
    assert lines == [
        "✗ box.a  failed  /srv/a",
        "    error: it failed",
        "      a.toml:1",
        *(f"      {line}" for line in log.splitlines()),
        "    hint: install it",
        "",
        "✗ box.b  failed  /srv/b",
        "    error: it failed",
        "      a.toml:2",
        "      more: see box.a",
    ]


def test_different_errors_show_their_whole_output() -> None:
    """So does every error with `--verbose`."""
    log = "one\ntwo\nthree\nfour"
    different = _text(_failed("a", log), _failed("b", log, "it failed again"))
    assert sum(line.strip() == "three" for line in different) == 2
    verbose = _text(_failed("a", log), _failed("b", log), verbose=True)
    assert sum(line.strip() == "three" for line in verbose) == 2
