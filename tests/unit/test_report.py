"""The JSON report of plan, apply, and check: counts, digest, and exit codes."""

from __future__ import annotations

import json

import pytest

from engine.errors import (
    ConvergeError,
    DiskFull,
    InputOutputError,
    IntegrityError,
    LockTimeout,
    PermissionDenied,
    Unavailable,
)
from engine.output.report import to_json
from engine.redaction import register_url
from tests.unit.cli_runner import CliRunner, changes_of
from tests.unit.widget_kind import Widget, widget_registry


@pytest.fixture
def cli_with_widgets(cli: CliRunner) -> CliRunner:
    """Return a CLI runner with three widgets, of which `c` depends on `a`."""
    cli.declare_widgets("a", "b", "c", c='needs = ["widget.a"]')
    return cli


def fail(cli: CliRunner, **errors: Exception) -> None:
    """Let apply raise the given error for each named widget."""

    def before_apply(spec: Widget) -> None:
        name = spec.path.rpartition("/")[2]
        if name in errors:
            raise errors[name]

    cli.registry = lambda: widget_registry(before_apply=before_apply)


def test_summary_counts_match_the_resources(cli_with_widgets: CliRunner) -> None:
    fail(cli_with_widgets, a=ConvergeError("x"))
    report = cli_with_widgets.run("apply", "--json").report
    assert {name: count for name, count in report["summary"].items() if count} == {
        "create": 1, "failed": 1, "skipped": 1,
    }  # fmt: skip
    assert report["comment"] == "1 created, 1 failed, 1 skipped, 0 unchanged"
    assert (report["changed"], report["failed"]) == (True, True)


@pytest.mark.parametrize(
    ("command", "before", "comment"),
    [
        ("plan", [], "3 to create, 0 unchanged"),
        ("check", [], "3 to create, 0 unchanged"),
        ("apply", [], "3 created, 0 unchanged"),
        ("plan", ["apply"], "no changes; 3 resources are up to date"),
        ("apply", ["apply"], "no changes; 3 resources are up to date"),
    ],
)
def test_comment_summarizes_the_report(
    cli_with_widgets: CliRunner, command: str, before: list[str], comment: str
) -> None:
    for earlier in before:
        cli_with_widgets.run(earlier)
    assert cli_with_widgets.run(command, "--json").report["comment"] == comment


@pytest.mark.parametrize("command", ["plan", "apply"])
@pytest.mark.parametrize("arguments", [["--detailed-exitcode"], []])
def test_changes_exit_0_or_2_with_detailed_exitcode(
    cli_with_widgets: CliRunner, command: str, arguments: list[str]
) -> None:
    assert cli_with_widgets.run(command, *arguments, "--json").code == (2 if arguments else 0)
    cli_with_widgets.run("apply")
    assert cli_with_widgets.run(command, *arguments, "--json").code == 0


@pytest.mark.parametrize(
    ("errors", "plain", "detailed", "retryable"),
    [
        ({"a": ConvergeError("x")}, 1, 6, False),
        ({"a": ConvergeError("x"), "b": ConvergeError("y")}, 1, 4, False),
        ({"a": Unavailable("x")}, 69, 6, True),
        ({"a": Unavailable("x"), "b": Unavailable("y")}, 69, 4, True),
        ({"a": Unavailable("x"), "b": LockTimeout("y")}, 1, 4, True),
        ({"a": Unavailable("x"), "b": PermissionDenied("y")}, 1, 4, False),
        ({"b": DiskFull("x")}, 73, 6, True),
        ({"b": InputOutputError("x")}, 74, 6, False),
        ({"b": LockTimeout("x")}, 75, 6, True),
        ({"b": PermissionDenied("x")}, 77, 6, False),
        ({"b": IntegrityError("x")}, 81, 6, False),
        ({"b": OSError(28, "No space left on device")}, 73, 6, True),
        ({"b": OSError(30, "Read-only file system")}, 74, 6, False),
        ({"b": PermissionError(13, "Permission denied")}, 77, 6, False),
        ({"b": OSError(39, "Directory not empty")}, 1, 6, False),
    ],
)
def test_exit_code_depends_on_the_failure_class(
    cli_with_widgets: CliRunner,
    errors: dict[str, Exception],
    plain: int,
    detailed: int,
    retryable: bool,
) -> None:
    fail(cli_with_widgets, **errors)
    result = cli_with_widgets.run("apply", "--json", "--detailed-exitcode")
    assert (result.code, result.report["exit"]["retryable"]) == (detailed, retryable)
    for name in "abc":
        (cli_with_widgets.directory / name).unlink(missing_ok=True)
    result = cli_with_widgets.run("apply", "--json")
    assert (result.code, result.report["exit"]["retryable"]) == (plain, retryable)


@pytest.mark.parametrize(
    ("drift", "code", "exit_class"),
    [("none", 0, "ok"), ("deleted file", 2, "drift"), ("unreadable", 1, "failed")],
)
def test_check_exit_code_depends_on_drift(
    cli_with_widgets: CliRunner, drift: str, code: int, exit_class: str
) -> None:
    cli_with_widgets.run("apply")
    if drift == "deleted file":
        (cli_with_widgets.directory / "a").unlink()
    if drift == "unreadable":

        def before_observe(spec: Widget) -> None:
            raise PermissionError(13, "Permission denied", spec.path)

        cli_with_widgets.registry = lambda: widget_registry(before_observe=before_observe)
    result = cli_with_widgets.run("check", "--json")
    assert (result.code, result.report["exit"]["class"]) == (code, exit_class)
    assert cli_with_widgets.run("check").code == code


def test_check_with_a_failure_and_drift_exits_1(cli_with_widgets: CliRunner) -> None:
    cli_with_widgets.run("apply")
    (cli_with_widgets.directory / "a").unlink()

    def before_observe(spec: Widget) -> None:
        if spec.path.endswith("b"):
            raise PermissionError(13, "Permission denied", spec.path)

    cli_with_widgets.registry = lambda: widget_registry(before_observe=before_observe)
    assert cli_with_widgets.run("check").code == 1


def test_check_with_an_invalid_declaration_exits_1(cli: CliRunner) -> None:
    cli.declare("[zebra.a]\n")
    result = cli.run("check", "--json")
    assert (result.code, result.report["error"]["code"]) == (1, 65)
    assert cli.invoke("check", "--json", str(cli.directory / "gone.toml")).code == 1


def test_report_separates_a_failure_from_skipped_dependents(cli_with_widgets: CliRunner) -> None:
    fail(
        cli_with_widgets,
        a=ConvergeError("write failed", hint="free some space", output="line 1\nline 2"),
    )
    result = cli_with_widgets.run("apply", "--json")
    failed, skipped = result.resource("widget.a"), result.resource("widget.c")
    assert failed["error"] == {
        "code": 1, "message": "write failed", "hint": "free some space", "output": "line 1\nline 2",
    }  # fmt: skip
    assert (failed["blocked_by"], skipped["blocked_by"], skipped["error"]) == (
        None,
        "widget.a",
        None,
    )
    assert skipped["reason"] == "depends on widget.a, which failed"


def test_resource_report_has_path_observed_state_and_reason(cli_with_widgets: CliRunner) -> None:
    cli_with_widgets.run("apply")
    (cli_with_widgets.directory / "a").write_text(
        json.dumps({**(cli_with_widgets.read_widget("a") or {}), "damage": "dent"})
    )
    resource = cli_with_widgets.run("plan", "--json").resource("widget.a")
    assert resource["path"] == str(cli_with_widgets.directory / "a")
    assert (resource["action"], resource["reason"]) == ("repair", "the file is damaged")
    assert changes_of(resource) == {"damage": ("dent", None)}
    assert resource["observed"]["damage"] == "dent"


def test_digest_is_the_same_for_plan_and_apply(cli: CliRunner) -> None:
    cli.declare_widgets("a", "b")
    digests = [
        cli.run(command, "--json").report["digest"] for command in ("plan", "plan", "apply", "plan")
    ]
    assert digests[0] == digests[1] == digests[2] != digests[3]


def test_digest_ignores_unchanged_resources(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    alone = cli.run("plan", "--json").report["digest"]
    cli.declare_widgets("b", "a")
    cli.run("apply", "--only", "widget.b")
    assert cli.run("plan", "--json").report["digest"] == alone


def test_digest_depends_on_values_but_not_on_credentials(cli: CliRunner) -> None:
    def digest(password: str) -> str:
        cli.declare_widgets("a", a=f'password = "{password}"')
        return str(cli.run("plan", "--json").report["digest"])

    assert digest("sesame") != digest("poppy")
    assert digest("https://me:sesame@there/x") == digest("https://poppy@there/x")
    assert digest("https://me:sesame@there/x") != digest("https://me:sesame@there/y")
    assert digest("https://me:se/sa me@there/x") == digest("https://me:poppy@there/x")
    assert digest("me:sesame@there/x") == digest("me:poppy@there/x")


def test_digest_does_not_depend_on_registered_secrets(cli: CliRunner) -> None:
    """With a lock, the plan reads no index, but the apply does."""
    cli.declare_widgets("a", a='password = "openstack"')
    unregistered = cli.run("plan", "--json").report["digest"]
    register_url("https://ann:openstack@host/simple/")
    report = cli.run("plan", "--json").report
    assert "openstack" not in json.dumps(report)
    assert report["digest"] == unregistered


def test_every_report_has_the_same_keys(cli_with_widgets: CliRunner) -> None:
    documents = [
        cli_with_widgets.run(command, "--json").report for command in ("plan", "check", "apply")
    ]
    documents.append(cli_with_widgets.invoke("apply", "--json", "--bogus").report)
    cli_with_widgets.declare("[zebra.a]\n")
    documents.append(cli_with_widgets.run("plan", "--json").report)
    assert len({tuple(document) for document in documents}) == 1
    assert {document["format_version"] for document in documents} == {"1.0"}


def test_json_escapes_every_unprintable_character() -> None:
    """Names of planted files could otherwise change what a terminal shows."""
    name = "\u009b2J\x7f\u202e\u2066\u2028\ufeff\U000e0001é中😀"
    text = to_json({"path": name})
    assert all(character.isprintable() or character == "\n" for character in text)
    assert json.loads(text)["path"] == name
    assert "é中😀" in text
