"""Reports as text: signs carry the meaning, and nothing in them can move the cursor."""

from __future__ import annotations

import json
import re

import pytest

from engine.errors import ConvergeError
from engine.render import Paint, error_text, printable
from tests.unit.desk import Desk
from tests.unit.toy import Note, composition


def world(desk: Desk) -> Desk:
    """One note of each action."""
    desk.notes("update", "replace", "repair", "delete", "same")
    desk.run("apply")
    (desk.folder / "repair").write_text(
        json.dumps({**(desk.says("repair") or {}), "stain": "tea\x1b[2J\nspilt"})
    )
    desk.notes(
        "update", "replace", "repair", "delete", "same", "create",
        update="pages = 2", replace='colour = "blue"', delete='state = "absent"',
    )  # fmt: skip
    return desk


def test_plan_shows_symbol_address_action_and_changes(desk: Desk) -> None:
    here = desk.folder
    out = world(desk).run("plan").out
    digest = re.search(r"digest (sha256:[0-9a-f]{64})", out)
    assert digest is not None
    assert out == (
        f"~ note.update  update  {here}/update\n"
        "    because it was rewritten\n"
        "    ~ pages 1 → 2\n"
        f"± note.replace  replace  {here}/replace\n"
        "    because it was rewritten\n"
        "    ~ colour red → blue\n"
        f"! note.repair  repair  {here}/repair\n"
        "    because somebody spilt something\n"
        "    - stain tea\\x1b[2J\\nspilt\n"
        f"- note.delete  delete  {here}/delete\n"
        "    because it is declared absent\n"
        "    - colour red  (it was rewritten)\n"
        "    - pages 1  (it was rewritten)\n"
        "    - signed false  (it was rewritten)\n"
        "    - text delete  (it was rewritten)\n"
        f"+ note.create  create  {here}/create\n"
        "    because nothing is there yet\n"
        "    + colour red  (it was rewritten)\n"
        "    + pages 1  (it was rewritten)\n"
        "    + signed false  (it was rewritten)\n"
        "    + text create  (it was rewritten)\n"
        "\n"
        "Plan: 1 to create, 1 to update, 1 to replace, 1 to repair, 1 to delete, 1 unchanged."
        f"  digest {digest[1]}\n"
    )


def test_failure_shows_tool_output_hint_and_skipped_dependents(desk: Desk) -> None:
    desk.notes("a", "b", b='needs = ["note.a"]')

    def trouble(spec: Note) -> None:
        raise ConvergeError("out of \x07ink", hint="buy\rsome", output="one\ntwo\x1b[31m")

    desk.composition = lambda: composition(trouble=trouble)
    done = desk.run("apply")
    assert done.out == (
        f"✗ note.a  failed  {desk.folder}/a\n"
        "    error: out of \\x07ink\n"
        "      one\n"
        "      two\\x1b[31m\n"
        "    hint: buy\\rsome\n"
        f"· note.b  skipped  {desk.folder}/b\n"
        "    because it needs note.a, which failed\n"
        "\n"
        "Apply: 1 failed, 1 skipped, 0 unchanged.\n"
    )


def test_unchanged_resources_are_shown_only_with_verbose(desk: Desk) -> None:
    desk.notes("a")
    desk.run("apply")
    assert desk.run("plan").out == "Plan: nothing to do: 1 as declared.\n"
    assert "note.a" in desk.run("plan", "--verbose").out


def test_notices_come_before_the_summary(desk: Desk) -> None:
    desk.notes("a", a='tags = ["everything"]')
    desk.run("apply")
    assert desk.run("plan").out.splitlines() == [
        "note: it is about everything", "", "Plan: nothing to do: 1 as declared.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "bad", ["\x1b", "\x9b", "\x07", "\r", "\n", "\b", "\u202e", "\u2028", "\0"]
)
def test_control_characters_are_escaped(desk: Desk, bad: str) -> None:
    assert bad not in printable(f"a{bad}b")
    assert printable(f"a{bad}b") == f"a{repr(bad)[1:-1]}b"
    text = error_text(ConvergeError(f"a{bad}b", hint=f"c{bad}d"), Paint(on=False))
    assert (len(text.split("\n")), text.count(bad)) == (3, 2 if bad == "\n" else 0)
    desk.notes("a")
    desk.run("apply")
    (desk.folder / "a").write_text(json.dumps({"text": f"x{bad}note.z  create"}))
    for words in ([], ["--verbose"]):
        out = desk.run("plan", *words).out
        assert bad not in out.replace("\n", "") or bad == "\n"
        assert not [line for line in out.splitlines() if line.startswith("note.z")]


def test_printable_keeps_letters_of_all_scripts() -> None:
    assert printable("zürich → 東京 🐍") == "zürich → 東京 🐍"


def test_printable_escapes_a_lone_surrogate() -> None:
    assert printable("caf\udce9") == r"caf\udce9"


ESCAPE = "\x1b["


@pytest.mark.parametrize(
    ("words", "environment", "terminal", "coloured"),
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
@pytest.mark.parametrize("outcome", ["a plan", "a wrong declaration", "wrong usage"])
def test_color_follows_option_environment_and_terminal(
    desk: Desk, monkeypatch, words, environment, terminal, coloured, outcome
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, content in environment.items():
        monkeypatch.setenv(name, content)
    desk.notes("a", a="zzz = 1" if outcome == "a wrong declaration" else "")
    more = ["--bogus"] if outcome == "wrong usage" else []
    done = desk.say("plan", "--quiet", str(desk.folder / "notes.toml"), *words, *more,
                    terminal=terminal)  # fmt: skip
    assert (ESCAPE in done.out + done.err) is coloured


def test_json_output_has_no_color(desk: Desk) -> None:
    desk.notes("a")
    assert ESCAPE not in desk.run("plan", "--json", "--color", "always").out


def test_long_change_lists_are_shortened_without_verbose(desk: Desk) -> None:
    desk.notes("a")
    (desk.folder / "a").write_text(json.dumps({f"stain.{n:03}": "tea" for n in range(60)}))
    out = desk.run("plan").out
    assert "… and 24 more (`--verbose` shows all)" in out
    assert len(re.findall(r"^ +[-~+] stain\.", out, re.MULTILINE)) == 37
    assert desk.run("plan", "--verbose").out.count("stain.") == 60
