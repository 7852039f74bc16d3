"""One document for plan, apply and check: its numbers, its digest, its exit codes."""

from __future__ import annotations

import json

import pytest

from engine.errors import (
    Busy,
    CannotCreate,
    ConvergeError,
    Forbidden,
    InputOutputError,
    IntegrityError,
    Unavailable,
)
from tests.unit.desk import Desk, changes_of
from tests.unit.toy import Note, composition


@pytest.fixture
def failing(desk: Desk) -> Desk:
    """Three notes; which of them fail, and how, is said by `fail`."""
    desk.notes("a", "b", "c", c='needs = ["note.a"]')
    return desk


def fail(desk: Desk, **errors: Exception) -> None:
    def trouble(spec: Note) -> None:
        name = spec.path.rpartition("/")[2]
        if name in errors:
            raise errors[name]

    desk.composition = lambda: composition(trouble=trouble)


def test_summary_counts_match_the_resources(failing: Desk) -> None:
    fail(failing, a=ConvergeError("x"))
    report = failing.run("apply", "--json").report
    assert {name: count for name, count in report["summary"].items() if count} == {
        "create": 1, "failed": 1, "skipped": 1,
    }  # fmt: skip
    assert report["comment"] == "1 created, 1 failed, 1 skipped, 0 unchanged"
    assert (report["changed"], report["failed"]) == (True, True)


@pytest.mark.parametrize(
    ("verb", "before", "comment"),
    [
        ("plan", [], "3 to create, 0 unchanged"),
        ("check", [], "3 to create, 0 unchanged"),
        ("apply", [], "3 created, 0 unchanged"),
        ("plan", ["apply"], "nothing to do: 3 as declared"),
        ("apply", ["apply"], "nothing to do: 3 as declared"),
    ],
)
def test_comment_summarizes_the_report(failing: Desk, verb, before, comment) -> None:
    for one in before:
        failing.run(one)
    assert failing.run(verb, "--json").report["comment"] == comment


@pytest.mark.parametrize("verb", ["plan", "apply"])
@pytest.mark.parametrize("words", [["--detailed-exitcode"], []])
def test_changes_exit_0_or_2_with_detailed_exitcode(
    failing: Desk, verb: str, words: list[str]
) -> None:
    assert failing.run(verb, *words, "--json").code == (2 if words else 0)
    failing.run("apply")
    assert failing.run(verb, *words, "--json").code == 0


@pytest.mark.parametrize(
    ("errors", "plain", "detailed", "retryable"),
    [
        ({"a": ConvergeError("x")}, 1, 6, False),
        ({"a": ConvergeError("x"), "b": ConvergeError("y")}, 1, 4, False),
        ({"a": Unavailable("x")}, 69, 6, True),
        ({"a": Unavailable("x"), "b": Unavailable("y")}, 69, 4, True),
        ({"a": Unavailable("x"), "b": Busy("y")}, 1, 4, True),
        ({"a": Unavailable("x"), "b": Forbidden("y")}, 1, 4, False),
        ({"b": CannotCreate("x")}, 73, 6, True),
        ({"b": InputOutputError("x")}, 74, 6, False),
        ({"b": Busy("x")}, 75, 6, True),
        ({"b": Forbidden("x")}, 77, 6, False),
        ({"b": IntegrityError("x")}, 81, 6, False),
        ({"b": OSError(28, "No space left on device")}, 73, 6, True),
        ({"b": OSError(30, "Read-only file system")}, 74, 6, False),
        ({"b": PermissionError(13, "Permission denied")}, 77, 6, False),
        ({"b": OSError(39, "Directory not empty")}, 1, 6, False),
    ],
)
def test_exit_code_depends_on_the_failure_class(
    failing: Desk, errors, plain, detailed, retryable
) -> None:
    fail(failing, **errors)
    done = failing.run("apply", "--json", "--detailed-exitcode")
    assert (done.code, done.report["exit"]["retryable"]) == (detailed, retryable)
    for note in "abc":
        (failing.folder / note).unlink(missing_ok=True)
    done = failing.run("apply", "--json")
    assert (done.code, done.report["exit"]["retryable"]) == (plain, retryable)


@pytest.mark.parametrize(
    ("world", "code", "name"),
    [("as declared", 0, "ok"), ("drifted", 2, "drift"), ("unreadable", 1, "failed")],
)
def test_check_exit_code_depends_on_drift(failing: Desk, world: str, code: int, name: str) -> None:
    failing.run("apply")
    if world == "drifted":
        (failing.folder / "a").unlink()
    if world == "unreadable":

        def blind(spec: Note) -> None:
            raise PermissionError(13, "Permission denied", spec.path)

        failing.composition = lambda: composition(blind=blind)
    done = failing.run("check", "--json")
    assert (done.code, done.report["exit"]["class"]) == (code, name)
    assert failing.run("check").code == code


def test_check_with_a_failure_and_drift_exits_1(failing: Desk) -> None:
    failing.run("apply")
    (failing.folder / "a").unlink()

    def blind(spec: Note) -> None:
        if spec.path.endswith("b"):
            raise PermissionError(13, "Permission denied", spec.path)

    failing.composition = lambda: composition(blind=blind)
    assert failing.run("check").code == 1


def test_check_with_an_invalid_declaration_exits_1(desk: Desk) -> None:
    desk.declare("[zebra.a]\n")
    done = desk.run("check", "--json")
    assert (done.code, done.report["error"]["code"]) == (1, 65)
    assert desk.say("check", "--json", str(desk.folder / "gone.toml")).code == 1


def test_report_separates_a_failure_from_skipped_dependents(failing: Desk) -> None:
    fail(failing, a=ConvergeError("out of ink", hint="buy some", output="line 1\nline 2"))
    done = failing.run("apply", "--json")
    cause, victim = done.of("note.a"), done.of("note.c")
    assert cause["error"] == {
        "code": 1, "message": "out of ink", "hint": "buy some", "output": "line 1\nline 2",
    }  # fmt: skip
    assert (cause["because"], victim["because"], victim["error"]) == (None, "note.a", None)
    assert victim["reason"] == "it needs note.a, which failed"


def test_resource_report_has_path_observed_state_and_reason(failing: Desk) -> None:
    failing.run("apply")
    (failing.folder / "a").write_text(json.dumps({**(failing.says("a") or {}), "stain": "tea"}))
    one = failing.run("plan", "--json").of("note.a")
    assert one["path"] == str(failing.folder / "a")
    assert (one["action"], one["reason"]) == ("repair", "somebody spilt something")
    assert changes_of(one) == {"stain": ("tea", None)}
    assert one["observed"]["stain"] == "tea"


def test_digest_is_the_same_for_plan_and_apply(desk: Desk) -> None:
    desk.notes("a", "b")
    digests = [
        desk.run(verb, "--json").report["digest"] for verb in ("plan", "plan", "apply", "plan")
    ]
    assert digests[0] == digests[1] == digests[2] != digests[3]


def test_digest_ignores_unchanged_resources(desk: Desk) -> None:
    desk.notes("a")
    alone = desk.run("plan", "--json").report["digest"]
    desk.notes("b", "a")
    desk.run("apply", "--only", "note.b")
    assert desk.run("plan", "--json").report["digest"] == alone


def test_digest_depends_on_values_but_not_on_credentials(desk: Desk) -> None:
    def digest(password: str) -> str:
        desk.notes("a", a=f'password = "{password}"')
        return str(desk.run("plan", "--json").report["digest"])

    assert digest("sesame") != digest("poppy")
    assert digest("https://me:sesame@there/x") == digest("https://poppy@there/x")
    assert digest("https://me:sesame@there/x") != digest("https://me:sesame@there/y")
    assert digest("https://me:se/sa me@there/x") == digest("https://me:poppy@there/x")
    assert digest("me:sesame@there/x") == digest("me:poppy@there/x")


def test_every_report_has_the_same_keys(failing: Desk) -> None:
    documents = [failing.run(verb, "--json").report for verb in ("plan", "check", "apply")]
    documents.append(failing.say("apply", "--json", "--bogus").report)
    failing.declare("[zebra.a]\n")
    documents.append(failing.run("plan", "--json").report)
    assert len({tuple(one) for one in documents}) == 1
    assert {one["format_version"] for one in documents} == {"1.2"}
