"""Declarations that cannot be used: all that is wrong, each with its place and a way out."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import tomli

from engine.excerpts import placed, problems_text
from engine.problems import DeclarationError
from engine.render import Paint
from tests.unit.desk import Desk

CASES = tomli.loads((Path(__file__).parent / "cases" / "declaration.toml").read_text())["case"]


def refused(desk: Desk, *names: str) -> DeclarationError:
    with pytest.raises(DeclarationError) as caught:
        desk.load(*names)
    return caught.value


def said(desk: Desk, *names: str) -> list[tuple[str, int, int, str, str]]:
    return [
        (Path(one.file).name, one.line, one.column, one.message, one.hint)
        for one in placed(refused(desk, *names))
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_invalid_declaration_reports_every_error(desk: Desk, case) -> None:
    desk.declare(bytes.fromhex(case["bytes"]) if "bytes" in case else case["given"])
    here = str(desk.folder)
    expected = [tuple(row[:2] + [text.replace("{here}", here) for text in row[2:]])
                for row in case["said"]]  # fmt: skip
    assert [one[1:] for one in said(desk)] == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_command_reports_every_error_and_exits_65(desk: Desk, case) -> None:
    desk.declare(bytes.fromhex(case["bytes"]) if "bytes" in case else case["given"])
    done = desk.run("apply", "--json")
    assert done.code == 65
    assert [[one["line"], one["column"]] for one in done.report["problems"]] == [
        row[:2] for row in case["said"]
    ]
    assert done.report["comment"].endswith("in the declaration; nothing was started")
    assert [one.name for one in desk.folder.iterdir()] == ["notes.toml"]


def test_graph_errors_are_reported_with_table_errors(desk: Desk) -> None:
    desk.declare(
        '[note.a]\npath = "a"\ncolr = "red"\n'  # unsound, and yet there to be needed
        '[note.b]\npath = "b"\nneeds = ["note.a", "note.nobody"]\n'
        '[note.c]\npath = "c"\nneeds = ["note.d"]\n'
        '[note.d]\npath = "c"\nneeds = ["note.c"]\n'
    )
    told = [message for *_, message, _ in said(desk)]
    assert len(told) == 4
    assert told[0].startswith("unknown key `colr`")
    assert "`note.b` needs `note.nobody`, which is not declared" in told
    assert "the path of `note.d` is also that of `note.c`" in told
    assert "these wait for each other: note.c → note.d → note.c" in told


def test_syntax_error_hides_dangling_dependency_errors(desk: Desk) -> None:
    desk.declare("[note.a\n", "one.toml")
    desk.declare('[note.b]\npath = "b"\nneeds = ["note.a"]\n', "two.toml")
    assert [name for name, *_ in said(desk, "one.toml", "two.toml")] == ["one.toml"]


def test_duplicate_name_in_two_files_is_an_error(desk: Desk) -> None:
    desk.declare('[note.a]\npath = "a"\n', "one.toml")
    desk.declare('\n[note.a]\npath = "b"\n', "two.toml")
    hint = f"the other one is in `{desk.folder}/one.toml`; rename one of them"
    assert said(desk, "one.toml", "two.toml") == [
        ("two.toml", 2, 7, "`note.a` is declared twice", hint)
    ]


def test_errors_are_grouped_by_file(desk: Desk) -> None:
    desk.declare('[note.b]\n[note.a]\npath = "a"\nx=1\n', "one.toml")
    desk.declare("[page.a]\nx=1\n", "two.toml")
    assert [one[:3] for one in said(desk, "two.toml", "one.toml")] == [
        ("two.toml", 1, 7),
        ("two.toml", 2, 1),
        ("one.toml", 1, 7),
        ("one.toml", 4, 1),
    ]


def test_defaults_apply_to_files_of_the_same_directory(desk: Desk) -> None:
    desk.declare('[defaults]\ncolour = "blue"\n', "one/defaults.toml")
    desk.declare('[note.a]\npath = "a"\n[note.b]\npath = "b"\ncolour = "red"\n', "one/notes.toml")
    desk.declare('[note.c]\npath = "c"\n', "two/notes.toml")
    colours = {one.name: one.spec.colour for one in desk.load("one", "two")}
    assert colours == {"a": "blue", "b": "red", "c": "red"}


def test_defaults_apply_to_one_kind(desk: Desk) -> None:
    desk.declare('[defaults]\ncolour = "blue"\n[page.a]\npath = "a"\n')
    assert desk.load()[0].spec.colour == "red"


def test_default_path_is_relative_to_its_file(desk: Desk) -> None:
    desk.declare("hello", "one/text.txt")
    desk.declare('[defaults]\nread-from = "text.txt"\n', "one/a.toml")
    desk.declare('[note.a]\npath = "a"\n', "one/b.toml")
    assert desk.load("one")[0].spec.text == "hello"


def test_conflicting_defaults_in_a_directory_are_an_error(desk: Desk) -> None:
    desk.declare("[defaults]\npages = 1\nsigned = true\n", "one.toml")
    desk.declare("[defaults]\nsigned = true\npages = 2\n", "two.toml")
    hint = f"`{desk.folder}/one.toml` sets another one, and defaults hold for a whole folder"
    assert said(desk, "one.toml", "two.toml") == [
        ("two.toml", 3, 9, "`pages` has two default values", hint)
    ]


def test_invalid_default_is_reported_in_its_own_file(desk: Desk) -> None:
    desk.declare("[defaults]\ntags = ['Tea']\n", "a.toml")
    desk.declare('[note.a]\npath = "a"\n', "b.toml")
    assert said(desk, ".") == [("a.toml", 2, 9, "`Tea` is no tag", "use small letters")]


def test_snippet_marks_the_error_with_carets(desk: Desk) -> None:
    file = desk.declare('[note.a]\npath = "a"\n\tpages = "many"  # so many\n')
    text = problems_text(refused(desk), Paint(on=False))
    assert text == (
        f"{file}:3:10: error: `pages` must be a whole number\n"
        '    3 |  pages = "many"  # so many\n'
        "      |          ^^^^^^\n"
        '  hint: found "many"\n'
        "\n1 problem in the declaration; nothing was started\n"
    )


def test_snippet_aligns_carets_below_escaped_characters(
    desk: Desk,
) -> None:
    desk.declare('note = { a = { path = "\u200b\u202e", pages = "x" } }\n')
    _, row, carets, *_ = problems_text(refused(desk), Paint(on=False)).splitlines()
    assert row[carets.index("^") : carets.rindex("^") + 1] == '"x"'
    assert r"\u200b\u202e" in row


def test_json_error_shows_the_key_path(desk: Desk) -> None:
    desk.declare('{"note": {"a": {"path": "a", "tags": ["x", "Y"]}}}')
    text = problems_text(refused(desk), Paint(on=False))
    assert text.splitlines()[:2] == [
        f"{desk.folder}/notes.toml: error: `Y` is no tag",
        "    at note.a.tags.1",
    ]


def test_json_error_shows_every_related_key_path(desk: Desk) -> None:
    desk.declare('{"note": {"a": {"path": "x"}, "b": {"path": "x", "needs": ["note.b"]}}}')
    text = problems_text(refused(desk), Paint(on=False))
    assert ":0:0" not in text
    assert "    at note.b.path\n" in text
    assert "notes.toml: at note.a.path\n" in text


def test_json_key_path_is_escaped_and_redacted(desk: Desk) -> None:
    name = "https://me:secret@host/\x1b[31m"
    done = desk.run("plan", "-", stdin=json.dumps({"note": {name: {"path": "a", "zebra": 1}}}))
    assert "at note.https://****@host/\\x1b[31m.zebra\n" in done.err
    assert "secret" not in done.err
    assert "\x1b" not in done.err


@pytest.mark.parametrize("form", ["toml", "json"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_declaration_can_be_read_from_standard_input(desk: Desk, form: str, bom: bytes) -> None:
    path = desk.folder / "x"
    text = f'[note."ä"]\npath = "{path}"\n'
    if form == "json":
        text = json.dumps({"note": {"ä": {"path": str(path)}}}, ensure_ascii=False)
    done = desk.run("apply", "--json", "-", stdin=bom + text.encode())
    assert done.outcomes() == {"note.ä": "changed"}
    assert desk.says("x") is not None


def test_standard_input_errors_have_a_position(desk: Desk) -> None:
    done = desk.run("plan", "-", stdin='\r\n[note.a]\r\npath = "a"\r\nx = 1\r\n')
    assert done.code == 65
    assert done.err.startswith("<stdin>:4:1: error: unknown key `x`")


def test_standard_input_rejects_invalid_utf_8(desk: Desk) -> None:
    done = desk.run("plan", "-", stdin=b"[note.a]\npath = '\xff'\n")
    assert done.code == 65
    assert done.err.startswith("<stdin>:2:9: error: not valid TOML: not UTF-8\n")


@pytest.mark.parametrize("depth", [150, 300, 400, 450, 480, 490, 500, 600, 5000, 100_000])
@pytest.mark.parametrize("form", ["arrays", "inline tables", "json"])
def test_deep_nesting_is_reported_as_an_error(desk: Desk, depth: int, form: str) -> None:
    if form == "json":
        deep: str = '{"note": {"a": {"path": "a", "tags": ' + "[" * depth + "]" * depth + "}}}"
    elif form == "arrays":
        deep = '[note.a]\npath = "a"\ntags = ' + "[" * depth + "]" * depth + "\n"
    else:
        deep = '[note.a]\npath = "a"\ntags = ' + "{a = " * depth + "1" + "}" * depth + "\n"
    desk.declare(deep)
    done = desk.run("plan", "--json")
    assert done.code == 65
    assert len(done.report["problems"]) >= 1
    assert len(done.err) < 10_000
    assert "invalid JSON" not in done.err, "but that is what it was checked by way of"


def test_date_is_accepted_as_a_string(desk: Desk) -> None:
    desk.declare('[note.a]\npath = "a"\ntext = 2024-05-06T07:08:09Z\n')
    assert desk.load()[0].spec.text == "2024-05-06T07:08:09+00:00"


def test_json_and_toml_load_the_same_resources(desk: Desk) -> None:
    table = {"a": {"path": "a", "tags": ["x"], "pages": 3}, "b": {"path": "b", "copies": "note.a"}}
    desk.declare(json.dumps({"note": table}), "one.toml")
    desk.declare(
        '[note.a]\npath = "a"\ntags = ["x"]\npages = 3\n[note.b]\npath = "b"\ncopies = "note.a"\n',
        "two.toml",
    )
    assert meaning(desk, "one.toml") == meaning(desk, "two.toml")


def meaning(desk: Desk, name: str) -> list[object]:
    return [(one.address, one.spec, one.needs) for one in desk.load(name)]


def test_empty_declaration_has_no_resources(desk: Desk) -> None:
    desk.declare("# nothing yet\n")
    assert desk.load() == ()
    assert desk.run("apply", "--json").report["comment"] == "nothing to do: 0 as declared"


def test_huge_number_is_reported_as_an_error(desk: Desk) -> None:
    """Python turns none of more than 4300 digits into text (`sys.set_int_max_str_digits`)."""
    desk.declare(f'[note.a]\npath = "a"\npages = 0x{"f" * 6000}\n')
    done = desk.run("plan", "--json")
    assert done.code == 65
    (problem,) = done.report["problems"]
    assert (problem["line"], problem["message"]) == (1, "a number has thousands of digits")


def test_missing_json_key_is_reported_with_its_table(desk: Desk) -> None:
    given = '{"note": {"a": {"path": "a"}, "b": {"text": "b"}}}'
    shown = desk.run("plan", "-", stdin=given)
    (problem,) = desk.run("plan", "--json", "-", stdin=given).report["problems"]
    assert "    at note.b\n" in shown.err
    assert (problem["line"], problem["message"]) == (0, "the key `path` is missing at note.b")


def test_thousands_of_errors_are_reported_in_seconds(desk: Desk) -> None:
    """Looking for each among all the others, and counting lines for each, took minutes."""
    names = [f"n{number}" for number in range(3000)]
    desk.notes(*names, **dict.fromkeys(names, 'kolour = "red"\npages = "two"'))
    began = time.process_time()
    error = refused(desk)
    problems_text(error, Paint(on=False))
    assert time.process_time() - began < 10
    assert len(error.problems) == 6000
