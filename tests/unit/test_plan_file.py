"""A saved plan is done exactly, or refused."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from engine import progress, session
from tests.unit.desk import Desk
from tests.unit.toy import Note, composition


@pytest.fixture
def planned(desk: Desk) -> Desk:
    desk.notes("a", "b")
    assert desk.run("plan", "--out", str(desk.folder / "plan.json")).code == 0
    return desk


def apply(desk: Desk, *words: str):
    return desk.run("apply", "--json", "--plan", str(desk.folder / "plan.json"), *words)


def test_saved_plan_is_applied(planned: Desk) -> None:
    assert apply(planned).outcomes() == {"note.a": "changed", "note.b": "changed"}


def test_saved_plan_equals_the_json_report(planned: Desk) -> None:
    saved = json.loads((planned.folder / "plan.json").read_text())
    assert saved == planned.run("plan", "--json").report


@pytest.mark.parametrize(
    "change", ["the declaration", "what nobody sees", "the world", "which part", "all done"]
)
def test_outdated_plan_exits_80_and_changes_nothing(planned: Desk, change: str) -> None:
    words = []
    if change == "the declaration":
        planned.notes("a", "b", b="pages = 2")
    if change == "what nobody sees":
        planned.notes("a", "b", b='password = "sesame"')
    if change == "the world":
        (planned.folder / "a").write_text("tea")
    if change == "which part":
        words = ["--only", "note.a"]
    if change == "all done":
        planned.run("apply")
    before = {one.name: one.read_bytes() for one in planned.folder.iterdir()}
    done = apply(planned, *words)
    assert (done.code, done.report["exit"]["class"]) == (80, "stale-plan")
    assert {one.name: one.read_bytes() for one in planned.folder.iterdir()} == before


@pytest.mark.parametrize("late", ["a", "c"])
def test_change_after_plan_verification_is_refused(desk: Desk, late: str) -> None:
    """Somebody writes the note `late` then."""
    desk.notes("c")
    desk.run("apply")
    desk.notes("a", "b", "c")
    desk.run("plan", "--out", str(desk.folder / "plan.json"))
    looks = {"a": 0, "b": 0, "c": 0}

    def blind(spec: Note) -> None:
        name = os.path.basename(spec.path)
        looks[name] += 1
        if name == late and looks[name] == 2:
            Path(spec.path).write_text('{"text": "tea"}')

    desk.composition = lambda: composition(blind=blind)
    done = apply(desk)
    assert (done.code, done.report["exit"]["class"]) == (80, "stale-plan")
    outcomes = {"note.a": "changed", "note.b": "changed", "note.c": "unchanged"}
    assert done.outcomes() == {**outcomes, f"note.{late}": "failed"}
    assert "after the plan was confirmed: " in done.of(f"note.{late}")["error"]["message"]
    assert desk.says(late) == {"text": "tea"}


def test_planned_change_made_by_others_is_accepted(planned: Desk) -> None:
    content = json.dumps(
        {"text": "a", "colour": "red", "pages": "1", "signed": "false", "tags": ""}
    )
    looks: list[str] = []

    def blind(spec: Note) -> None:
        looks.append(os.path.basename(spec.path))
        if looks.count("a") == 2 and looks[-1] == "a":
            Path(spec.path).write_text(content)

    planned.composition = lambda: composition(blind=blind)
    assert apply(planned).outcomes() == {"note.a": "unchanged", "note.b": "changed"}


def test_saved_plan_of_standard_input_is_applied(desk: Desk) -> None:
    plan, text = str(desk.folder / "plan.json"), f'[note.a]\npath = "{desk.folder}/a"\n'
    assert desk.run("plan", "--out", plan, "-", stdin=text).code == 0
    done = desk.run("apply", "--json", "--plan", plan, "-", stdin=text)
    assert done.outcomes() == {"note.a": "changed"}


def test_dry_run_verifies_a_saved_plan(planned: Desk) -> None:
    assert apply(planned, "--dry-run").outcomes() == {
        "note.a": "would-change",
        "note.b": "would-change",
    }
    assert planned.says("a") is None
    planned.notes("a")
    assert apply(planned, "--dry-run").code == 80


def test_plan_verification_and_apply_report_in_sequence(
    planned: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    class Listener(progress.Reporter):
        def opened(self) -> None:
            said.append("opened")

        def close(self) -> None:
            said.append("closed")

    monkeypatch.setattr(session, "reporter", lambda **_how: Listener())
    apply(planned)
    assert said[:4] == ["opened", "closed", "opened", "closed"]


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"x": 1}', "\xff", "[" * 100_000])
def test_invalid_plan_file_exits_66_and_changes_nothing(planned: Desk, content: str | None) -> None:
    path = planned.folder / "plan.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    assert apply(planned).code == 66
    assert planned.says("a") is None


@pytest.mark.parametrize("what", ["a device", "a symlink", "a pipe", "a folder"])
def test_plan_out_replaces_only_a_regular_file(desk: Desk, what: str) -> None:
    desk.notes("a")
    out = desk.folder / "out"
    if what == "a device":
        # One of the test's own: should this fail, the system's would be gone.
        if os.geteuid() != 0:
            pytest.skip("only root can make a device")
        os.mknod(out, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    if what == "a symlink":
        out.symlink_to("elsewhere")
    if what == "a pipe":
        os.mkfifo(out)
    if what == "a folder":
        out.mkdir()
    before = out.lstat()
    done = desk.run("plan", "--out", str(out))
    assert (done.code, done.out) == (64, "")
    assert f"`--out {out}` would replace what is no plain file" in done.err
    assert out.lstat() == before


def test_plan_with_an_undecodable_name_is_saved_as_printed(desk: Desk) -> None:
    desk.notes("a", name="caf\udce9.toml")
    file, plan = str(desk.folder / "caf\udce9.toml"), str(desk.folder / "plan.json")
    assert desk.run("apply", file).code == 0
    desk.declare("", "caf\udce9.toml")
    printed = desk.run("plan", "--json", "--out", plan, file).report
    assert "caf\udce9.toml" in printed["notes"][0]
    assert json.loads((desk.folder / "plan.json").read_text()) == printed
    assert desk.run("apply", "--plan", plan, file).code == 0


@pytest.mark.parametrize("out", ["gone/plan.json", ""])
def test_plan_out_requires_an_existing_directory(desk: Desk, out: str) -> None:
    desk.notes("a")
    desk.composition = lambda: composition(blind=_must_not)
    done = desk.run("plan", "--out", out and str(desk.folder / out))
    assert done.code == 64
    assert "names no file in a folder that is there" in done.err


@pytest.mark.parametrize("name", ["notes.toml", "read.txt"])
def test_plan_out_never_replaces_an_input(desk: Desk, name: str) -> None:
    desk.notes("a", a=f'read-from = "{name}"')
    (desk.folder / "read.txt").write_text("tea")
    desk.composition = lambda: composition(blind=_must_not)
    before = (desk.folder / name).read_bytes()
    done = desk.run("plan", "--out", str(desk.folder / name), str(desk.folder / "notes.toml"))
    assert done.code == 64
    assert f"`--out {desk.folder / name}` would replace what is no saved plan" in done.err
    assert (desk.folder / name).read_bytes() == before


def test_plan_out_replaces_a_plan_or_an_empty_file(desk: Desk) -> None:
    desk.notes("a")
    out = desk.folder / "plan.json"
    out.touch()
    assert desk.run("plan", "--out", str(out)).code == 0
    assert desk.run("plan", "--out", str(out)).code == 0


@pytest.mark.parametrize("name", ["", ".", "gone.json"])
def test_invalid_plan_path_is_refused_before_observing(desk: Desk, name: str) -> None:
    desk.notes("a")
    desk.composition = lambda: composition(blind=_must_not)
    assert desk.run("apply", "--plan", name and str(desk.folder / name)).code == 66


def _must_not(spec: Note) -> None:
    raise AssertionError(f"{spec.path} was looked at")
