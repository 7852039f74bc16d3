"""The graph as text, DOT and Mermaid."""

from __future__ import annotations

import pytest

from tests.unit.desk import Desk


@pytest.fixture
def drawn(desk: Desk) -> Desk:
    desk.declare(
        '[note."say \\"hi\\""]\npath = "a"\n'
        '[note.b]\npath = "b"\ncopies = \'note.say "hi"\'\n'
        '[page.c]\npath = "c"\nneeds = ["note.b", \'note.say "hi"\']\n'
    )
    return desk


def test_graph_as_text(drawn: Desk) -> None:
    assert drawn.run("graph").out == (
        'note.say "hi"\n'
        "note.b\n"
        '  └─ needs note.say "hi"\n'
        "page.c\n"
        "  ├─ needs note.b\n"
        '  └─ needs note.say "hi"\n'
    )


def test_graph_as_dot(drawn: Desk) -> None:
    assert drawn.run("graph", "--format", "dot").out == (
        "digraph converge {\n"
        "  rankdir=LR;\n"
        '  "note.say \\"hi\\"";\n'
        '  "note.b";\n'
        '  "page.c";\n'
        '  "note.say \\"hi\\"" -> "note.b";\n'
        '  "note.b" -> "page.c";\n'
        '  "note.say \\"hi\\"" -> "page.c";\n'
        "}\n"
    )


def test_graph_as_mermaid(drawn: Desk) -> None:
    assert drawn.run("graph", "--format", "mermaid").out == (
        "flowchart LR\n"
        '  n0["note.say #quot;hi#quot;"]\n'
        '  n1["note.b"]\n'
        '  n2["page.c"]\n'
        "  n0 --> n1\n"
        "  n1 --> n2\n"
        "  n0 --> n2\n"
    )


@pytest.mark.parametrize("form", ["text", "dot", "mermaid"])
def test_graph_escapes_and_redacts_names(desk: Desk, form: str) -> None:
    desk.declare('[note."https://me:secret@h/\\u001b[2J\\n"]\npath = "a"\n')
    out = desk.run("graph", "--format", form).out
    assert "note.https://****@h/" in out
    assert "\x1b" not in out


def test_graph_only_shows_the_selected_part(drawn: Desk) -> None:
    assert "page.c" not in drawn.run("graph", "--only", "note.b").out


def test_graph_of_an_empty_declaration_is_empty(desk: Desk) -> None:
    desk.declare("")
    assert desk.run("graph").out == ""
    assert desk.run("graph", "--format", "mermaid").out == "flowchart LR\n"
