"""The graph as text, DOT and Mermaid."""

from __future__ import annotations

import pytest

from tests.unit.cli_runner import CliRunner


@pytest.fixture
def graph_cli(cli: CliRunner) -> CliRunner:
    cli.declare(
        '[widget."say \\"hi\\""]\npath = "a"\n'
        '[widget.b]\npath = "b"\ncopies = \'widget.say "hi"\'\n'
        '[gadget.c]\npath = "c"\nneeds = ["widget.b", \'widget.say "hi"\']\n'
    )
    return cli


def test_graph_as_text(graph_cli: CliRunner) -> None:
    assert graph_cli.run("graph").out == (
        'widget.say "hi"\n'
        "widget.b\n"
        '  └─ needs widget.say "hi"\n'
        "gadget.c\n"
        "  ├─ needs widget.b\n"
        '  └─ needs widget.say "hi"\n'
    )


def test_graph_as_dot(graph_cli: CliRunner) -> None:
    assert graph_cli.run("graph", "--format", "dot").out == (
        "digraph converge {\n"
        "  rankdir=LR;\n"
        '  "widget.say \\"hi\\"";\n'
        '  "widget.b";\n'
        '  "gadget.c";\n'
        '  "widget.say \\"hi\\"" -> "widget.b";\n'
        '  "widget.b" -> "gadget.c";\n'
        '  "widget.say \\"hi\\"" -> "gadget.c";\n'
        "}\n"
    )


def test_graph_as_mermaid(graph_cli: CliRunner) -> None:
    assert graph_cli.run("graph", "--format", "mermaid").out == (
        "flowchart LR\n"
        '  n0["widget.say #quot;hi#quot;"]\n'
        '  n1["widget.b"]\n'
        '  n2["gadget.c"]\n'
        "  n0 --> n1\n"
        "  n1 --> n2\n"
        "  n0 --> n2\n"
    )


@pytest.mark.parametrize("form", ["text", "dot", "mermaid"])
def test_graph_escapes_and_redacts_names(cli: CliRunner, form: str) -> None:
    cli.declare('[widget."https://me:secret@h/\\u001b[2J\\n"]\npath = "a"\n')
    out = cli.run("graph", "--format", form).out
    assert "widget.https://****@h/" in out
    assert "\x1b" not in out


def test_graph_only_shows_the_selected_part(graph_cli: CliRunner) -> None:
    assert "gadget.c" not in graph_cli.run("graph", "--only", "widget.b").out


def test_graph_of_an_empty_declaration_is_empty(cli: CliRunner) -> None:
    cli.declare("")
    assert cli.run("graph").out == ""
    assert cli.run("graph", "--format", "mermaid").out == "flowchart LR\n"
