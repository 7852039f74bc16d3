"""The dependency graph as text, DOT, and Mermaid."""

from __future__ import annotations

import pytest

from tests.unit.cli_runner import CliRunner


@pytest.fixture
def graph_cli(cli: CliRunner) -> CliRunner:
    """Return a CLI runner with a declaration of three resources and three edges."""
    cli.declare(
        '[widget."say \\"hi\\""]\npath = "a"\n'
        '[widget.b]\npath = "b"\ncopies = \'widget.say "hi"\'\n'
        '[gadget.c]\npath = "c"\nneeds = ["widget.b", \'widget.say "hi"\']\n'
    )
    return cli


TEXT = """\
widget.say "hi"
|- widget.b
|  `- gadget.c
`- gadget.c
"""
DOT = r"""digraph converge {
  rankdir=LR;
  node [fontname="Helvetica"];
  "widget.say \"hi\"" [shape=box, label="widget.say \"hi\"\nDIR/a"];
  "widget.b" [shape=box, label="widget.b\nDIR/b"];
  "gadget.c" [shape=box, label="gadget.c\nDIR/c"];
  "widget.say \"hi\"" -> "widget.b";
  "widget.b" -> "gadget.c";
  "widget.say \"hi\"" -> "gadget.c";
}
"""
MERMAID = """\
flowchart LR
  n0["widget.say #quot;hi#quot;"]
  n1["widget.b"]
  n2["gadget.c"]
  n0 --> n1
  n1 --> n2
  n0 --> n2
"""


@pytest.mark.parametrize(
    ("graph_format", "expected"), [("text", TEXT), ("dot", DOT), ("mermaid", MERMAID)]
)
def test_graph_is_printed_in_each_format(
    graph_cli: CliRunner, graph_format: str, expected: str
) -> None:
    out = graph_cli.run("graph", "--format", graph_format).out
    assert out.replace(str(graph_cli.directory), "DIR") == expected


def test_graph_format_defaults_to_text(graph_cli: CliRunner) -> None:
    assert graph_cli.run("graph").out == TEXT


def test_graph_of_several_files_has_a_cluster_for_each(cli: CliRunner) -> None:
    cli.declare_widgets("a", filename="declared/a.toml")
    cli.declare_widgets("b", filename="declared/b.toml")
    out = cli.invoke("graph", "--format", "dot", str(cli.directory / "declared")).out
    assert out.count("subgraph cluster_") == 2
    assert 'label="a.toml";' in out


def test_tree_shows_shared_dependents_whole_only_once(cli: CliRunner) -> None:
    cli.declare_widgets("a", "b", "c", "d", c='needs = ["widget.a", "widget.b"]',
                        d='needs = ["widget.c"]')  # fmt: skip
    assert cli.run("graph").out.splitlines() == [
        "widget.a", "`- widget.c", "   `- widget.d", "widget.b", "`- widget.c (above)",
    ]  # fmt: skip


@pytest.mark.parametrize("graph_format", ["text", "dot", "mermaid"])
def test_graph_escapes_and_redacts_names(cli: CliRunner, graph_format: str) -> None:
    cli.declare('[widget."https://me:secret@h/\\u001b[2J\\n"]\npath = "a"\n')
    out = cli.run("graph", "--format", graph_format).out
    assert "widget.https://****@h/" in out
    assert "\x1b" not in out


def test_graph_only_shows_the_selected_part(graph_cli: CliRunner) -> None:
    assert "gadget.c" not in graph_cli.run("graph", "--only", "widget.b").out


def test_graph_of_an_empty_declaration_is_empty(cli: CliRunner) -> None:
    cli.declare("")
    assert cli.run("graph", "--allow-empty").out == ""
    assert cli.run("graph", "--allow-empty", "--format", "mermaid").out == "flowchart LR\n"
