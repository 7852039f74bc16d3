"""Edges, the order that follows from them, and what makes an order impossible."""

from __future__ import annotations

import json

import pytest

from engine.excerpts import placed, problems_text
from engine.graph import closure
from engine.problems import DeclarationError
from engine.render import Paint
from tests.unit.desk import Desk


def order_of(desk: Desk, *names: str) -> list[str]:
    return [one.address for one in desk.load(*names)]


def problems_of(desk: Desk) -> list[tuple[int, int, str, str]]:
    with pytest.raises(DeclarationError) as caught:
        desk.load()
    return [(one.line, one.column, one.message, one.hint) for one in placed(caught.value)]


def test_order_without_edges_is_that_of_the_file(desk: Desk) -> None:
    desk.notes("c", "a", "b")
    assert order_of(desk) == ["note.c", "note.a", "note.b"]


def test_order_puts_a_declared_dependency_first(desk: Desk) -> None:
    desk.notes("c", "a", "b", c='needs = ["note.b"]')
    assert order_of(desk) == ["note.a", "note.b", "note.c"]


def test_order_puts_an_implied_dependency_first(desk: Desk) -> None:
    desk.notes("c", "a", "b", c='copies = "note.b"')
    assert order_of(desk) == ["note.a", "note.b", "note.c"]


def test_declared_and_implied_dependency_is_one_edge(desk: Desk) -> None:
    desk.notes("b", "a", b='copies = "note.a"\nneeds = ["note.a", "note.a"]')
    assert desk.load()[1].needs == ("note.a",)


def test_dependency_may_be_in_another_kind_and_file(desk: Desk) -> None:
    desk.declare('[note.a]\npath = "a"\nneeds = ["page.b"]\n', "one.toml")
    desk.declare('[page.b]\npath = "b"\n', "two.toml")
    assert order_of(desk, "one.toml", "two.toml") == ["page.b", "note.a"]


def test_dependency_name_may_contain_a_dot(desk: Desk) -> None:
    desk.declare('[note.a]\npath="a"\nneeds = ["note./x/y.z"]\n[note."/x/y.z"]\npath = "b"\n')
    assert order_of(desk) == ["note./x/y.z", "note.a"]


def test_dangling_dependency_suggests_a_similar_name(desk: Desk) -> None:
    desk.declare('[note.first]\npath = "a"\n[note.b]\npath = "b"\nneeds = ["note.frist"]\n')
    assert problems_of(desk) == [
        (5, 10, "`note.b` needs `note.frist`, which is not declared", "did you mean `note.first`?")
    ]


def test_dangling_implied_dependency_is_located_at_its_key(desk: Desk) -> None:
    desk.notes("a", a='copies = "note.nowhere-near"')
    assert problems_of(desk) == [
        (
            4,
            10,
            "`note.a` needs `note.nowhere-near`, which is not declared",
            "declare it, or leave the need out",
        )
    ]


def test_every_dangling_dependency_is_reported(desk: Desk) -> None:
    desk.notes("a", "b", a='needs = ["note.x", "note.y"]', b='copies = "note.z"')
    assert [one[:2] for one in problems_of(desk)] == [(4, 10), (4, 20), (8, 10)]


def test_cycle_error_shows_the_location_of_each_edge(desk: Desk) -> None:
    file = desk.notes(
        "d", "c", "b", "a",
        a='needs = ["note.b"]', b='copies = "note.c"', c='needs = [\n  "note.d",\n  "note.a",\n]',
    )  # fmt: skip
    with pytest.raises(DeclarationError) as caught:
        desk.load()
    (problem,) = placed(caught.value)
    assert problem.message == "these wait for each other: note.c → note.a → note.b → note.c"
    text = problems_text(caught.value, Paint(on=False))
    assert f"{file}:10:3: error: these wait" in text
    assert f"  {file}:19:10:\n" in text
    assert f"  {file}:15:10:\n" in text
    assert '   19 | needs = ["note.b"]\n      |          ^^^^^^^^\n' in text


def test_cycle_error_reports_the_shortest_cycle(desk: Desk) -> None:
    desk.notes(
        "a", "b", "c", "d",
        a='needs = ["note.b"]', b='needs = ["note.c"]', c='needs = ["note.d", "note.b"]',
        d='needs = ["note.a"]',
    )  # fmt: skip
    assert problems_of(desk)[0][2] == "these wait for each other: note.b → note.c → note.b"


def test_cycle_search_scales_to_exponentially_many_cycles(desk: Desk) -> None:
    """Each of three notes needs all of the three before: 3 ** 30 ways round."""
    names = [[f"n{row}-{column}" for column in range(3)] for row in range(30)]
    needs = {
        name: f"needs = {json.dumps([f'note.{one}' for one in before])}"
        for before, row in zip([names[-1][:1], *names[:-1]], names, strict=True)
        for name in row
    }
    desk.notes(*needs, **needs)
    ((_, _, message, _),) = problems_of(desk)
    assert message.count("→") == 30


def test_self_dependency_is_a_cycle(desk: Desk) -> None:
    desk.notes("a", a='needs = ["note.a"]')
    assert problems_of(desk) == [
        (4, 10, "these wait for each other: note.a → note.a", "drop one of these needs")
    ]


def test_cycle_across_two_files_shows_both(desk: Desk) -> None:
    desk.declare('[note.a]\npath = "a"\nneeds = ["note.b"]\n', "one.toml")
    desk.declare('[note.b]\npath = "b"\nneeds = ["note.a"]\n', "two.toml")
    with pytest.raises(DeclarationError) as caught:
        desk.load("one.toml", "two.toml")
    text = problems_text(caught.value, Paint(on=False))
    assert "one.toml:3:10: error" in text
    assert "two.toml:3:10:" in text


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("same", "same", "is also that of"),
        ("same", "./same/", "is also that of"),
        ("outer", "outer/inner", "lies inside that of"),
        ("outer/inner/deep", "outer", "lies inside that of"),
        ("same", "x/../same", "is also that of"),
    ],
)
def test_overlapping_paths_are_an_error(desk: Desk, one: str, other: str, said: str) -> None:
    desk.declare(f'[note.a]\npath = "{one}"\n[note.b]\npath = "{other}"\n')
    ((line, column, message, hint),) = problems_of(desk)
    assert said in message
    assert (line, column) in [(2, 8), (4, 8)]
    assert str(desk.folder) in hint


def test_overlap_error_shows_both_locations(desk: Desk) -> None:
    file = desk.declare('[note.a]\npath = "x"\n[note.b]\npath = "x"\n')
    with pytest.raises(DeclarationError) as caught:
        desk.load()
    text = problems_text(caught.value, Paint(on=False))
    assert f"{file}:4:8: error: the path of `note.b` is also that of `note.a`" in text
    assert f"  {file}:2:8:" in text


@pytest.mark.parametrize("other", ["outer-b", "outer.b", "outer b", "oute", "outer!"])
def test_paths_with_a_common_prefix_do_not_overlap(desk: Desk, other: str) -> None:
    desk.declare(
        f'[note.a]\npath = "outer"\n[note.b]\npath = "{other}"\n[note.c]\npath = "outer0/x"\n'
    )
    assert len(desk.load()) == 3


def test_overlap_errors_list_every_nested_path(desk: Desk) -> None:
    desk.declare(
        "".join(f'[note."{p}"]\npath = "{p}"\n' for p in ("a", "a-b", "a/x", "a/x/y", "a0", "a/z"))
    )
    messages = [message for _, _, message, _ in problems_of(desk)]
    assert messages == [
        "the path of `note.a/x` lies inside that of `note.a`",
        "the path of `note.a/x/y` lies inside that of `note.a`",
        "the path of `note.a/z` lies inside that of `note.a`",
    ]


def test_selection_includes_all_dependencies(desk: Desk) -> None:
    desk.notes(
        "a", "b", "c", "d",
        b='needs = ["note.a"]', c='needs = ["note.b"]', d='needs = ["note.a"]',
    )  # fmt: skip
    found = closure(desk.load(), {"note.c"})
    assert [one.address for one in found] == ["note.a", "note.b", "note.c"]
