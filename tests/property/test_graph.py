"""Whatever is needed comes first, and all else where the text has it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import assume, given

from engine.graph import closure
from engine.loading import load
from engine.problems import DeclarationError
from tests.property.conftest import Declare
from tests.property.strategies import Tables, as_toml, widget_tables
from tests.unit.widget_kind import widget_registry


def _needs(tables: Tables) -> dict[str, set[str]]:
    return {f"widget.{name}": set(table.get("needs", ())) for name, table in tables.items()}


@given(widget_tables())
def test_order_takes_the_first_ready_resource(declare: Declare, tables: Tables) -> None:
    needs = _needs(tables)
    expected: list[str] = []
    while len(expected) < len(needs):
        expected.append(
            next(one for one in needs if one not in expected and needs[one] <= {*expected})
        )
    order = load(declare(as_toml(tables)), widget_registry(), None)
    assert [one.address for one in order] == expected


@given(widget_tables())
def test_selection_includes_exactly_the_dependencies(declare: Declare, tables: Tables) -> None:
    order = load(declare(as_toml(tables)), widget_registry(), None)
    needs = _needs(tables)
    for wanted in needs:
        found = [one.address for one in closure(order, {wanted})]
        assert wanted in found
        assert all(needs[one] <= {*found} for one in found)
        assert found == [one.address for one in order if one.address in found]
        assert all(one == wanted or any(one in needs[other] for other in found) for one in found)


@given(widget_tables(cycles=True))
def test_cycle_error_lists_existing_edges(declare: Declare, tables: Tables) -> None:
    needs = _needs(tables)
    try:
        load(declare(as_toml(tables)), widget_registry(), None)
    except DeclarationError as error:
        (problem,) = error.problems
    else:
        problem = None
    assume(problem is not None)
    assert problem is not None
    path = problem.message.removeprefix("these wait for each other: ").split(" → ")
    assert path[0] == path[-1]
    assert len(path) > 1
    assert len({*path}) == len(path) - 1
    assert all(need in needs[one] for one, need in pairwise(path))
    assert 1 + len(problem.notes) == len(path) - 1
