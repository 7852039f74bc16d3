"""Dependency edges, the order of resources, and errors in the graph."""

from __future__ import annotations

import json
import sys

import pytest

from engine.declaration.diagnostics import DeclarationError
from engine.declaration.graph import with_dependencies
from engine.output.snippets import format_diagnostics, locate_all
from engine.output.text import Paint
from tests.unit.cli_runner import CliRunner


def order_of(cli: CliRunner, *names: str) -> list[str]:
    return [resource.address for resource in cli.load(*names)]


def errors_of(cli: CliRunner) -> list[tuple[int, int, str, str]]:
    with pytest.raises(DeclarationError) as caught:
        cli.load()
    return [
        (diagnostic.line, diagnostic.column, diagnostic.message, diagnostic.hint)
        for diagnostic in locate_all(caught.value)
    ]


def test_order_without_edges_is_that_of_the_file(cli: CliRunner) -> None:
    cli.declare_widgets("c", "a", "b")
    assert order_of(cli) == ["widget.c", "widget.a", "widget.b"]


def test_order_puts_a_declared_dependency_first(cli: CliRunner) -> None:
    cli.declare_widgets("c", "a", "b", c='needs = ["widget.b"]')
    assert order_of(cli) == ["widget.a", "widget.b", "widget.c"]


def test_order_puts_a_dependent_right_after_its_last_dependency(cli: CliRunner) -> None:
    cli.declare_widgets(
        "a", "b", "c", "of-a", "of-both",
        **{"of-a": 'needs = ["widget.a"]', "of-both": 'needs = ["widget.b", "widget.a"]'},
    )  # fmt: skip
    assert [address.removeprefix("widget.") for address in order_of(cli)] == [
        "a", "of-a", "b", "of-both", "c",
    ]  # fmt: skip


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_order_of_independent_resources_is_that_of_their_lines(
    cli: CliRunner, newline: str
) -> None:
    """The parser groups the tables by kind."""
    text = "".join(
        f'[{kind}.{name}]\npath = "{name}"\n'
        for kind, name in [("widget", "b"), ("gadget", "c"), ("widget", "a"), ("gadget", "d")]
    )
    cli.declare(f'widget.z = {{ path = "z" }}\n{text}'.replace("\n", newline))
    assert order_of(cli) == ["widget.z", "widget.b", "gadget.c", "widget.a", "gadget.d"]


def test_order_puts_an_implied_dependency_first(cli: CliRunner) -> None:
    cli.declare_widgets("c", "a", "b", c='copies = "widget.b"')
    assert order_of(cli) == ["widget.a", "widget.b", "widget.c"]


def test_declared_and_implied_dependency_is_one_edge(cli: CliRunner) -> None:
    cli.declare_widgets("b", "a", b='copies = "widget.a"\nneeds = ["widget.a", "widget.a"]')
    assert cli.load()[1].needs == ("widget.a",)


def test_dependency_may_be_in_another_kind_and_file(cli: CliRunner) -> None:
    cli.declare('[widget.a]\npath = "a"\nneeds = ["gadget.b"]\n', "one.toml")
    cli.declare('[gadget.b]\npath = "b"\n', "two.toml")
    assert order_of(cli, "one.toml", "two.toml") == ["gadget.b", "widget.a"]


def test_dependency_name_may_contain_a_dot(cli: CliRunner) -> None:
    cli.declare('[widget.a]\npath="a"\nneeds = ["widget./x/y.z"]\n[widget."/x/y.z"]\npath = "b"\n')
    assert order_of(cli) == ["widget./x/y.z", "widget.a"]


def test_dangling_dependency_suggests_a_similar_name(cli: CliRunner) -> None:
    cli.declare('[widget.first]\npath = "a"\n[widget.b]\npath = "b"\nneeds = ["widget.frist"]\n')
    assert errors_of(cli) == [
        (
            5,
            10,
            "`widget.b` needs `widget.frist`, which isn't declared",
            "did you mean `widget.first`?",
        )
    ]


def test_dangling_implied_dependency_is_located_at_its_key(cli: CliRunner) -> None:
    cli.declare_widgets("a", a='copies = "widget.nowhere-near"')
    assert errors_of(cli) == [
        (
            4,
            10,
            "`widget.a` needs `widget.nowhere-near`, which isn't declared",
            "declare it, or remove the dependency",
        )
    ]


def test_every_dangling_dependency_is_reported(cli: CliRunner) -> None:
    cli.declare_widgets("a", "b", a='needs = ["widget.x", "widget.y"]', b='copies = "widget.z"')
    assert [error[:2] for error in errors_of(cli)] == [(4, 10), (4, 22), (8, 10)]


def test_cycle_error_shows_the_location_of_each_edge(cli: CliRunner) -> None:
    file = cli.declare_widgets(
        "d", "c", "b", "a",
        a='needs = ["widget.b"]', b='copies = "widget.c"', c='needs = [\n  "widget.d",\n  "widget.a",\n]',
    )  # fmt: skip
    with pytest.raises(DeclarationError) as caught:
        cli.load()
    (diagnostic,) = locate_all(caught.value)
    assert diagnostic.message == "dependency cycle: widget.c → widget.a → widget.b → widget.c"
    text = format_diagnostics(caught.value, Paint(on=False))
    assert f"{file}:10:3: error: dependency cycle" in text
    assert f"  {file}:19:10:\n" in text
    assert f"  {file}:15:10:\n" in text
    assert '   19 | needs = ["widget.b"]\n      |          ^^^^^^^^^^\n' in text


def test_cycle_error_reports_the_shortest_cycle(cli: CliRunner) -> None:
    cli.declare_widgets(
        "a", "b", "c", "d",
        a='needs = ["widget.b"]', b='needs = ["widget.c"]', c='needs = ["widget.d", "widget.b"]',
        d='needs = ["widget.a"]',
    )  # fmt: skip
    assert errors_of(cli)[0][2] == "dependency cycle: widget.b → widget.c → widget.b"


def test_cycle_search_scales_to_exponentially_many_cycles(cli: CliRunner) -> None:
    """Each widget depends on the three of the previous row, so there are 3 ** 30 cycles."""
    names = [[f"n{row}-{column}" for column in range(3)] for row in range(30)]
    needs = {
        name: f"needs = {json.dumps([f'widget.{dependency}' for dependency in previous])}"
        for previous, row in zip([names[-1][:1], *names[:-1]], names, strict=True)
        for name in row
    }
    cli.declare_widgets(*needs, **needs)
    ((_, _, message, _),) = errors_of(cli)
    assert message.count("→") == 30


def test_self_dependency_is_a_cycle(cli: CliRunner) -> None:
    cli.declare_widgets("a", a='needs = ["widget.a"]')
    assert errors_of(cli) == [
        (4, 10, "dependency cycle: widget.a → widget.a", "remove one of these dependencies")
    ]


def test_declaration_without_a_cycle_needs_no_graph_library(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)  # An import of it fails.
    cli.declare_widgets("a", "b", a='needs = ["widget.b"]')
    assert order_of(cli) == ["widget.b", "widget.a"]


def test_cycle_across_two_files_shows_both(cli: CliRunner) -> None:
    cli.declare('[widget.a]\npath = "a"\nneeds = ["widget.b"]\n', "one.toml")
    cli.declare('[widget.b]\npath = "b"\nneeds = ["widget.a"]\n', "two.toml")
    with pytest.raises(DeclarationError) as caught:
        cli.load("one.toml", "two.toml")
    text = format_diagnostics(caught.value, Paint(on=False))
    assert "one.toml:3:10: error" in text
    assert "two.toml:3:10:" in text


@pytest.mark.parametrize(
    ("first", "second", "relation"),
    [
        ("same", "same", "have the same path"),
        ("same", "./same/", "have the same path"),
        ("outer", "outer/inner", "is inside the path of"),
        ("outer/inner/deep", "outer", "is inside the path of"),
        ("same", "x/../same", "have the same path"),
    ],
)
def test_overlapping_paths_are_an_error(
    cli: CliRunner, first: str, second: str, relation: str
) -> None:
    cli.declare(f'[widget.a]\npath = "{first}"\n[widget.b]\npath = "{second}"\n')
    ((line, column, message, hint),) = errors_of(cli)
    assert relation in message
    assert (line, column) in [(2, 8), (4, 8)]
    assert str(cli.directory) in hint


def test_overlap_error_shows_both_locations(cli: CliRunner) -> None:
    file = cli.declare('[widget.a]\npath = "x"\n[widget.b]\npath = "x"\n')
    with pytest.raises(DeclarationError) as caught:
        cli.load()
    text = format_diagnostics(caught.value, Paint(on=False))
    assert f"{file}:4:8: error: `widget.a` and `widget.b` have the same path" in text
    assert f"  {file}:2:8:" in text


@pytest.mark.parametrize("other", ["outer-b", "outer.b", "outer b", "oute", "outer!"])
def test_paths_with_a_common_prefix_do_not_overlap(cli: CliRunner, other: str) -> None:
    cli.declare(
        f'[widget.a]\npath = "outer"\n[widget.b]\npath = "{other}"\n[widget.c]\npath = "outer0/x"\n'
    )
    assert len(cli.load()) == 3


def test_overlap_errors_list_every_nested_path(cli: CliRunner) -> None:
    cli.declare(
        "".join(
            f'[widget."{p}"]\npath = "{p}"\n' for p in ("a", "a-b", "a/x", "a/x/y", "a0", "a/z")
        )
    )
    messages = [message for _, _, message, _ in errors_of(cli)]
    assert messages == [
        "the path of `widget.a/x` is inside the path of `widget.a`",
        "the path of `widget.a/x/y` is inside the path of `widget.a`",
        "the path of `widget.a/z` is inside the path of `widget.a`",
    ]


def test_selection_includes_all_dependencies(cli: CliRunner) -> None:
    cli.declare_widgets(
        "a", "b", "c", "d",
        b='needs = ["widget.a"]', c='needs = ["widget.b"]', d='needs = ["widget.a"]',
    )  # fmt: skip
    selected = with_dependencies(cli.load(), {"widget.c"})
    assert [resource.address for resource in selected] == ["widget.a", "widget.b", "widget.c"]


def test_required_path_makes_its_owner_a_dependency(cli: CliRunner) -> None:
    """Otherwise, both would be processed at once, and the required path wouldn't exist yet."""
    path = cli.directory / "b" / "file"
    cli.declare(f'[widget.a]\npath = "a"\nread-from = "{path}"\n[widget.b]\npath = "b"\n')
    path.parent.mkdir()
    path.write_text("")

    b, a = cli.load()

    assert (b.address, b.needs) == ("widget.b", ())
    assert (a.address, a.needs) == ("widget.a", ("widget.b",))


def test_required_path_never_closes_a_cycle(cli: CliRunner) -> None:
    path = cli.directory / "b"
    path.mkdir()
    (path / "file").write_text("")
    cli.declare(
        f'[widget.a]\npath = "a"\nread-from = "{path}/file"\n'
        '[widget.b]\npath = "b"\nneeds = ["widget.a"]\n'
    )

    a, b = cli.load()

    assert (a.needs, b.needs) == ((), ("widget.a",))
